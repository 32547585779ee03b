/** Two fingers on the picture: they enlarge it, and move it. */

export interface Point {
  x: number;
  y: number;
}

export interface Pinch {
  kind: "pinch";
  /** How far apart the fingers were, in pixels of the screen, and how much the picture was enlarged then. */
  apart: number;
  zoom: number;
  /** The place in the picture that was between them: it stays there. */
  held: Point;
  /** Between them now, on the screen. */
  middle: Point;
}

type Fingers = readonly [Point, Point];

export function between([one, other]: Fingers): Point {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}

/** Never nothing, so that a part of it can be told. */
export function apart([one, other]: Fingers): number {
  return Math.max(Math.hypot(one.x - other.x, one.y - other.y), 1);
}

/** How far the page of the picture has to be moved, so that what is held is between the fingers. */
export function slip({ held, middle }: Pinch, area: DOMRect): Point {
  return { x: area.left + held.x * area.width - middle.x, y: area.top + held.y * area.height - middle.y };
}

/** The first two of the fingers that touch; null where there are fewer. */
export function pair(fingers: Iterable<Point>): Fingers | null {
  const [one, other] = fingers;
  return one === undefined || other === undefined ? null : [one, other];
}
