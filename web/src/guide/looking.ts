/** What is looked at, and what was seen in it. */
import { computed, effect, signal } from "@preact/signals";
import { Unreachable } from "../api";
import { chosen } from "../cities";
import type { Detector, Seen, View } from "../detect/detector";
import { DeviceDetector } from "../detect/device";
import { ServerDetector } from "../detect/server";
import { texts } from "../language";
import { note } from "../log";
import { spoken } from "../names";
import { isReady, situation, where } from "../place";
import * as store from "../store";
import { plain, told } from "../told";
import * as camera from "./camera";
import { give } from "./donating";

/** Frames of a camera have at most so many pixels a side: networks see fewer. */
const GREATEST_SIDE = 1280;
const JPEG_QUALITY = 0.85;
/** Before a lost connection is tried again. */
const AGAIN_MS = 1_000;

export interface Picture {
  name: string;
  file: Blob;
  bitmap: ImageBitmap;
}

export const picture = signal<Picture | null>(null);
export const isLooking = signal(false);
export const isDebug = signal(false);
export const seen = signal<Seen | null>(null);
/** Pictures of the camera that were answered in the last seconds, by when. */
const answered = signal<readonly number[]>([]);
export const rate = computed(() => {
  const [first, ...rest] = answered.value;
  const last = rest.at(-1);
  return first === undefined || last === undefined || last === first ? null : (rest.length * 1000) / (last - first);
});
/** Why the last picture was not looked at. */
export const failure = signal<string | null>(null);
export const hasNoCity = signal(false);
/** All that was found since something else was looked at: a camera that shakes takes nothing away. */
export const labels = signal<ReadonlySet<string>>(new Set());

/** Counts from start to start: what an older run still answers does not count any more. */
let run = 0;
let lastRun: Promise<void> = Promise.resolve();

/** What looks now, and what it looks with: a network is loaded once. */
let detector: { key: string; inner: Detector } | null = null;

/** Takes a picture that was dropped, chosen or pasted; false where it cannot be read as one. */
export async function open(file: Blob, name: string): Promise<boolean> {
  // As the server sees it: the numbers of the file, not those of a screen.
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => null);
  if (bitmap === null) return false;
  stop();
  camera.stop();
  picture.value = { name, file, bitmap };
  seen.value = null;
  failure.value = null;
  return true;
}

export function closePicture(): void {
  stop();
  picture.value = null;
  seen.value = null;
}

/** Looks at the picture, or at the camera until it is told to stop. */
export async function start(): Promise<void> {
  failure.value = null;
  hasNoCity.value = chosen.value === null;
  if (chosen.value === null) return;
  const mine = ++run;
  isLooking.value = true;
  const before = lastRun;
  lastRun = (async () => {
    // A detector looks at one picture at a time.
    await before;
    if (mine !== run) return;
    note(`detection of ${chosen.value} begins`);
    if (picture.value !== null) await lookAtPicture(mine, picture.value);
    else await lookAtCamera(mine);
    if (mine === run) stop();
  })();
  await lastRun;
}

export function stop(): void {
  run += 1;
  isLooking.value = false;
  answered.value = [];
  // What a camera saw is past.
  if (picture.peek() === null) seen.value = null;
  // A network that is loaded is kept for the next time.
  if (detector?.inner instanceof ServerDetector) release();
}

function release(): void {
  detector?.inner.close();
  detector = null;
}

/** What looks at pictures of the chosen city where they are to be looked at. */
async function current(): Promise<Detector> {
  const now = situation.value;
  const key = keyOf(now);
  if (detector?.key === key) return detector.inner;
  release();
  const inner = await opened(now);
  detector = { key, inner };
  return inner;
}

/** Two cities may have one file with different classes. */
function keyOf(now: typeof situation.value): string {
  if (now.kind === "server") return `server ${now.model.name}`;
  return now.kind === "device" ? `${now.stored.city}@${now.stored.model.version} ${now.stored.digest}` : "";
}

async function opened(now: typeof situation.value): Promise<Detector> {
  if (now.kind === "server") return new ServerDetector(now.model.name);
  if (now.kind !== "device") throw new Unreachable(texts.value.detection.lost);
  const bytes = await store.file(now.stored);
  if (bytes === null) throw new Error(texts.value.device.missing);
  const { detector, backend } = await DeviceDetector.open(bytes, now.stored.model);
  note(`the network is computed on this device by ${backend}`);
  return detector;
}

async function lookAtPicture(mine: number, { name, file, bitmap }: Picture): Promise<void> {
  const city = chosen.value;
  try {
    await look(mine, { isLive: false, file: async () => file, pixels: () => createImageBitmap(bitmap) });
    if (city !== null && mine === run) void give(file, name, city);
  } catch (error) {
    if (mine === run) tell(error);
  }
}

async function lookAtCamera(mine: number): Promise<void> {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  while (mine === run && camera.stream.value !== null) {
    try {
      if (video.srcObject !== camera.stream.value) {
        video.srcObject = camera.stream.value;
        await video.play();
      }
      await look(mine, { isLive: true, file: () => frame(video), pixels: () => createImageBitmap(video) });
      if (mine === run) succeeded();
    } catch (error) {
      if (mine !== run) break;
      tell(error);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  video.srcObject = null;
}

function succeeded(): void {
  failure.value = null;
  const now = performance.now();
  answered.value = [...answered.value.filter((at) => now - at < 3_000), now];
}

/** What the camera sees now, as JPEG. */
function frame(video: HTMLVideoElement): Promise<Blob> {
  const scale = Math.min(1, GREATEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(video.videoWidth * scale)),
    Math.max(1, Math.round(video.videoHeight * scale)),
  );
  canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY });
}

async function look(mine: number, view: View): Promise<void> {
  const looking = await current();
  const found = await looking.look(view).catch((error: unknown) => {
    // Whatever has broken is opened anew the next time.
    if (detector?.inner === looking) release();
    throw error;
  });
  if (mine !== run) return;
  seen.value = found;
  for (const { label, confidence } of found.report.detections ?? found.report.classes ?? []) {
    note(texts.value.debug.prediction(spoken(label), confidence.toFixed(2)));
  }
  note(texts.value.debug.took(Math.round(found.latency)));
}

function tell(error: unknown): void {
  note(plain(error), "error");
  failure.value = error instanceof Unreachable ? texts.value.detection.lost : told(error);
}

// Another city, or another place to look: what was seen is not about it, nor is what is on its way.
effect(() => {
  chosen.value;
  where.value;
  seen.value = null;
  hasNoCity.value = false;
  if (!isLooking.peek()) return;
  stop();
  if (picture.peek() === null && isReady.peek()) void start();
});
effect(() => {
  const { detections, classes } = seen.value?.report ?? {};
  const found = (detections ?? classes ?? []).map(({ label }) => label);
  if (seen.value === null) labels.value = new Set();
  else if (found.some((label) => !labels.peek().has(label))) labels.value = new Set([...labels.peek(), ...found]);
});
// A camera that ends, ends what looks at it.
effect(() => {
  if (camera.stream.value === null && picture.peek() === null && isLooking.peek()) stop();
});

/** Whether there is something to look at. */
export const hasSource = computed(() => picture.value !== null || camera.stream.value !== null);
