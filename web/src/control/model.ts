/** Models of a city, as the server tells of them. */
import type { Epoch } from "./happenings";

/** How good a model is for one class. */
export interface ClassMetrics {
  label: string;
  instances: number;
  precision: number | null;
  recall: number | null;
  ap50: number | null;
  ap50_95: number | null;
}

/** What its training has measured; nothing of it is there for a model that was imported. */
export interface Metrics {
  images?: number;
  instances?: number;
  map50?: number | null;
  map50_95?: number | null;
  classes?: ClassMetrics[];
  training?: { epochs: number | null; seed: number | null; base: string | null; base_licence: string | null };
  best_epoch?: number | null;
  /** What the gate said. */
  verdict?: string | null;
  /** The model that was live then, measured in the same way. */
  live?: { version: number; map50: number | null; map50_95: number | null } | null;
}

export interface Model {
  version: number;
  state: string;
  size: number;
  metrics: Metrics;
  considered_images: number;
  created_at: number;
  tainted_at: number | null;
  taint: string | null;
}

/** Relative to the picture, from its top left corner. */
export interface SheetBox {
  label: string;
  x: number;
  y: number;
  w: number;
  h: number;
  score?: number | null;
}

/** A picture of the test, with what is there and what was found. */
export interface SheetItem {
  image: string;
  width: number;
  height: number;
  there: SheetBox[];
  found: SheetBox[];
}

export interface ModelDetail extends Model {
  history: Epoch[];
  sheet: SheetItem[];
}

/** A line of the ledger. */
export interface Entry {
  number: number;
  at: number;
  action: string;
  version: number;
  replaced: number | null;
  actor: string;
  why: string;
}

/** The version that comes back when the live one is rolled back: the one that it replaced when it was promoted. */
export function versionBefore(ledger: readonly Entry[], live: number | undefined): number | null {
  return ledger.find(({ action, version }) => action === "promoted" && version === live)?.replaced ?? null;
}
