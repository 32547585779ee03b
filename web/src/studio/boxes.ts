/** The boxes of a picture while they are edited. Places are parts of the picture, 0 to 1, from the top left. */

export interface Labelled {
  label: string;
  x: number;
  y: number;
  w: number;
  h: number;
  /** How sure a machine is; null for people. */
  score: number | null;
  mid?: string;
}

export interface Edited {
  boxes: readonly Labelled[];
  /** Which box is selected; none where it is null. */
  selected: number | null;
}

export const CORNERS = ["nw", "ne", "sw", "se"] as const;
export type Corner = (typeof CORNERS)[number];
/** Which sides of a box follow the pointer. */
export type Handle = Corner | "move";

/** A smaller box is a slip of the hand. */
export const LEAST = 0.01;

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most);

/** A box between two corners, in whichever order. */
export function between(one: { x: number; y: number }, other: { x: number; y: number }, label: string): Labelled {
  const [x, y] = [clamp(Math.min(one.x, other.x), 0, 1), clamp(Math.min(one.y, other.y), 0, 1)];
  const [right, bottom] = [clamp(Math.max(one.x, other.x), 0, 1), clamp(Math.max(one.y, other.y), 0, 1)];
  return { label, x, y, w: right - x, h: bottom - y, score: null };
}

/** Where a corner of a box is. */
export function cornerOf(box: Labelled, corner: Corner): { x: number; y: number } {
  return { x: corner.includes("w") ? box.x : box.x + box.w, y: corner.includes("n") ? box.y : box.y + box.h };
}

/** The box with one of its corners, or all of it, moved; it stays in the picture. What a person has touched is theirs. */
export function dragged(box: Labelled, handle: Handle, dx: number, dy: number): Labelled {
  if (handle === "move") {
    return { ...box, x: clamp(box.x + dx, 0, 1 - box.w), y: clamp(box.y + dy, 0, 1 - box.h), score: null };
  }
  const [isWest, isNorth] = [handle.includes("w"), handle.includes("n")];
  const fixed = { x: isWest ? box.x + box.w : box.x, y: isNorth ? box.y + box.h : box.y };
  const moved = {
    x: isWest ? Math.min(box.x + dx, fixed.x - LEAST) : Math.max(box.x + box.w + dx, fixed.x + LEAST),
    y: isNorth ? Math.min(box.y + dy, fixed.y - LEAST) : Math.max(box.y + box.h + dy, fixed.y + LEAST),
  };
  const { mid } = box;
  return { ...between(fixed, moved, box.label), ...(mid === undefined ? {} : { mid }) };
}

export function added({ boxes }: Edited, box: Labelled): Edited {
  return { boxes: [...boxes, box], selected: boxes.length };
}

export function replaced({ boxes, selected }: Edited, index: number, box: Labelled): Edited {
  return { boxes: boxes.map((other, at) => (at === index ? box : other)), selected };
}

export function removed({ boxes, selected }: Edited): Edited {
  if (selected === null) return { boxes, selected };
  const left = boxes.filter((_, at) => at !== selected);
  return { boxes: left, selected: left.length === 0 ? null : Math.min(selected, left.length - 1) };
}

/** The next box, or the one before. */
export function stepped({ boxes, selected }: Edited, step: 1 | -1): Edited {
  if (boxes.length === 0) return { boxes, selected: null };
  const first = step === 1 ? 0 : boxes.length - 1;
  return { boxes, selected: selected === null ? first : (selected + step + boxes.length) % boxes.length };
}

export function renamed(edited: Edited, label: string): Edited {
  const { selected, boxes } = edited;
  const box = selected === null ? undefined : boxes[selected];
  if (selected === null || box === undefined || box.label === label) return edited;
  // The id was that of the other name.
  const { mid: _, ...rest } = box;
  return replaced(edited, selected, { ...rest, label, score: null });
}

/** What was there before each change, and what was taken back. */
export interface History {
  past: readonly Edited[];
  now: Edited;
  future: readonly Edited[];
}

/** So many changes can be taken back. */
const GREATEST = 200;

export function begun(boxes: readonly Labelled[]): History {
  return { past: [], now: { boxes, selected: boxes.length > 0 ? 0 : null }, future: [] };
}

/** Selecting another box is no change. */
export function changed(history: History, next: Edited): History {
  if (next.boxes === history.now.boxes) return { ...history, now: next };
  return { past: [...history.past.slice(-GREATEST + 1), history.now], now: next, future: [] };
}

export function undone({ past, now, future }: History): History {
  const last = past.at(-1);
  return last === undefined ? { past, now, future } : { past: past.slice(0, -1), now: last, future: [now, ...future] };
}

export function redone({ past, now, future }: History): History {
  const [next, ...rest] = future;
  return next === undefined ? { past, now, future } : { past: [...past, now], now: next, future: rest };
}
