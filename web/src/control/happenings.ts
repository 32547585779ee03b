/** What happens to a city, as it happens. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { pathOf } from "./life";

/** What was measured after an epoch of a training. */
export interface Epoch {
  epoch: number;
  box_loss: number;
  object_loss: number;
  class_loss: number;
  map50: number | null;
  map50_95: number | null;
  rate: number;
  images_per_second: number;
}

interface Happening {
  stage: string | null;
  state: string | null;
  done: number | null;
  total: number | null;
  message: string | null;
  epoch: Epoch | null;
  at: number;
}

export interface Line extends Happening {
  number: number;
}

export interface Happenings {
  /** The number of the newest event. */
  number: number;
  /** The number of the newest change of state. */
  change: number;
  /** How far the stage is that works; null since the state changed. */
  progress: Happening | null;
  /** What was said, the newest first. */
  lines: readonly Line[];
  /** Of the newest training. */
  epochs: readonly Epoch[];
}

const KINDS = ["state", "progress", "log", "epoch"] as const;
type Kind = (typeof KINDS)[number];

/** What comes within so long is shown at once. */
const TOGETHER_MS = 100;
/** Older lines are dropped. */
const LINES = 50;
const NOTHING: Happenings = { number: 0, change: 0, progress: null, lines: [], epochs: [] };

/** Follows a city until the page is left. The browser connects again by itself, except where it was turned away. */
export function useHappenings(slug: string): Happenings & { isLost: boolean; again: () => void } {
  const known = useSignal(NOTHING);
  const isLost = useSignal(false);
  const tries = useSignal(0);
  useEffect(() => {
    const events = new EventSource(pathOf(slug, "events"));
    let newest = known.value;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // All that has been comes at once: it is shown once.
    const show = () => {
      timer = undefined;
      known.value = newest;
    };
    for (const kind of KINDS) {
      events.addEventListener(kind, ({ lastEventId, data }: MessageEvent<string>) => {
        newest = heard(newest, kind, Number(lastEventId), JSON.parse(data) as Happening);
        timer ??= setTimeout(show, TOGETHER_MS);
      });
    }
    events.onopen = () => (isLost.value = false);
    events.onerror = () => {
      isLost.value = events.readyState === EventSource.CLOSED;
      // Until it is heard again, what is asked for is newer.
      newest = { ...newest, progress: null };
      show();
    };
    return () => {
      clearTimeout(timer);
      events.close();
    };
  }, [slug, tries.value]);
  return { ...known.value, isLost: isLost.value, again: () => (tries.value += 1) };
}

function heard(before: Happenings, kind: Kind, number: number, happening: Happening): Happenings {
  // Who connects anew may hear again what has been.
  if (number <= before.number) return before;
  const now = { ...before, number };
  if (kind === "epoch") return { ...now, epochs: learnt(before.epochs, happening.epoch) };
  const lines = [{ ...happening, number }, ...before.lines].slice(0, LINES);
  if (kind === "state") return { ...now, lines, change: number, progress: null };
  return { ...now, lines, progress: kind === "progress" ? happening : before.progress };
}

/** A training that begins again starts anew. */
function learnt(before: readonly Epoch[], epoch: Epoch | null): readonly Epoch[] {
  if (epoch === null) return before;
  return [...before.filter((one) => one.epoch < epoch.epoch), epoch];
}
