/** Who looks at pictures. */
import type { Report } from "../api";

/** A picture, in the form that a detector wants. */
export interface View {
  /** Whether it is one of many, of a camera. */
  isLive: boolean;
  /** As a file: the one that was opened, or what a camera sees as JPEG. */
  file(): Promise<Blob>;
  /** As pixels, upright; whoever asks closes it. */
  pixels(): Promise<ImageBitmap>;
}

export interface Seen {
  report: Report;
  /** From giving the picture to its answer, in milliseconds. */
  latency: number;
  /** Where the time went, in milliseconds. */
  phases: Record<string, number>;
}

/** Looks at one picture after the other; the next one is given when the last one is answered. */
export interface Detector {
  look(view: View): Promise<Seen>;
  close(): void;
}
