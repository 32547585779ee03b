/** What pointers do on the picture: drawing, moving and resizing boxes, and two fingers that enlarge it. */
import { signal } from "@preact/signals";
import { added, between, CORNERS, cornerOf, dragged, LEAST, replaced, type Corner, type Handle, type Labelled } from "./boxes";
import * as pinching from "./pinch";
import type { Pinch, Point } from "./pinch";
import { change, edited } from "./session";
import { enlarge, nextLabel, zoom } from "./view";

/** Pixels of the screen that a finger covers around its middle. */
const FINGER = 20;

type Gesture =
  | Pinch
  | { kind: "draw"; from: Point; to: Point }
  | { kind: "drag"; from: Point; index: number; handle: Handle; box: Labelled; shown: Labelled };

/** The gestures on one surface, which lies over the picture. */
export class Gestures {
  readonly now = signal<Gesture | null>(null);
  readonly #fingers = new Map<number, Point>();

  constructor(private readonly surface: () => Element) {}

  /** Comes before what a box does with it. */
  touch(event: PointerEvent): void {
    if (event.pointerType !== "touch") return;
    // A finger that was lifted elsewhere is none any more.
    if (event.isPrimary) this.#fingers.clear();
    this.#fingers.set(event.pointerId, { x: event.x, y: event.y });
    if (this.#fingers.size < 2) return this.#reach(event);
    event.stopPropagation();
    this.#capture(event);
    this.#pinch();
  }

  draw(event: PointerEvent): void {
    this.#capture(event);
    const from = this.#at(event);
    this.now.value = { kind: "draw", from, to: from };
  }

  grab(event: PointerEvent, index: number, handle: Handle): void {
    event.stopPropagation();
    const box = edited.value.boxes[index]!;
    change({ ...edited.value, selected: index });
    this.now.value = { kind: "drag", from: this.#at(event), index, handle, box, shown: box };
    this.#capture(event);
  }

  move(event: PointerEvent): void {
    const { x, y, pointerId } = event;
    if (this.#fingers.has(pointerId)) this.#fingers.set(pointerId, { x, y });
    const now = this.now.value;
    if (now === null) return;
    if (now.kind === "pinch") return this.#spread(now);
    const to = this.#at(event);
    if (now.kind === "draw") this.now.value = { ...now, to };
    else this.now.value = { ...now, shown: dragged(now.box, now.handle, to.x - now.from.x, to.y - now.from.y) };
  }

  /** Ends, and keeps what was made; a finger that is left of two makes nothing. */
  lift(event: PointerEvent): void {
    if (this.#isLeft(event)) return;
    const done = this.now.value;
    this.now.value = null;
    if (done?.kind === "drag" && done.shown !== done.box) change(replaced(edited.value, done.index, done.shown));
    if (done?.kind !== "draw") return;
    const box = between(done.from, done.to, nextLabel.value);
    if (box.w >= LEAST && box.h >= LEAST) change(added(edited.value, box));
  }

  cancel(event: PointerEvent): void {
    if (!this.#isLeft(event)) this.now.value = null;
  }

  /** The boxes as they look while one is dragged. */
  shown(boxes: readonly Labelled[]): readonly Labelled[] {
    const now = this.now.value;
    return now?.kind === "drag" ? boxes.map((box, index) => (index === now.index ? now.shown : box)) : boxes;
  }

  /** Keeps what two fingers hold between them there. */
  hold(): void {
    const now = this.now.value;
    if (now?.kind !== "pinch") return;
    const { x, y } = pinching.slip(now, this.surface().getBoundingClientRect());
    this.surface().closest(".editor")?.scrollBy(x, y);
  }

  /** A finger need not meet a corner of the selected box exactly. */
  #reach(event: PointerEvent): void {
    const { boxes, selected } = edited.value;
    const box = selected === null ? undefined : boxes[selected];
    if (selected === null || box === undefined) return;
    const area = this.surface().getBoundingClientRect();
    const away = (corner: Corner) => {
      const { x, y } = cornerOf(box, corner);
      return Math.hypot(area.left + x * area.width - event.x, area.top + y * area.height - event.y);
    };
    // Small boxes have to be moved, too.
    const most = Math.min(FINGER, (box.w * area.width) / 3, (box.h * area.height) / 3);
    const met = CORNERS.find((corner) => away(corner) <= most);
    if (met !== undefined) this.grab(event, selected, met);
  }

  /** Whether another finger still touches. */
  #isLeft({ pointerId }: PointerEvent): boolean {
    this.#fingers.delete(pointerId);
    if (this.#fingers.size === 0) return false;
    this.#pinch();
    return true;
  }

  /** What the first finger has begun is given up with the second. */
  #pinch(): void {
    const two = pinching.pair(this.#fingers.values());
    if (two === null) return;
    const middle = pinching.between(two);
    this.now.value = { kind: "pinch", apart: pinching.apart(two), zoom: zoom.value, held: this.#at(middle), middle };
  }

  #spread(now: Pinch): void {
    const two = pinching.pair(this.#fingers.values());
    if (two === null) return;
    enlarge((now.zoom * pinching.apart(two)) / now.apart);
    this.now.value = { ...now, middle: pinching.between(two) };
  }

  #capture({ pointerId }: PointerEvent): void {
    this.surface().setPointerCapture(pointerId);
  }

  /** A place on the screen as one in the picture, from 0 to 1. */
  #at({ x, y }: Point): Point {
    const area = this.surface().getBoundingClientRect();
    return { x: (x - area.left) / area.width, y: (y - area.top) / area.height };
  }
}
