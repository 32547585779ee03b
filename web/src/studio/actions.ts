/** What can be done in the studio. Keys, buttons and the list of keys are made of this table. */
import { computed } from "@preact/signals";
import type { Texts } from "../texts/en";
import { added, dragged, removed, renamed, replaced, stepped, type Edited, type Handle, type Labelled } from "./boxes";
import * as session from "./session";
import { canShrink, canEnlarge, enlarge, isListed, nextLabel, search, zoom } from "./view";

export type ActionName = keyof Texts["studio"]["actions"];

export interface Action {
  /** As `aria-keyshortcuts` writes them. */
  keys: readonly string[];
  isPossible: () => boolean;
  act: (key: string) => void;
}

/** How far an arrow moves a box, as a part of the picture. */
const STEP = 0.01;
/** A box that is added without a pointer. */
const MIDDLE: Omit<Labelled, "label"> = { x: 0.25, y: 0.25, w: 0.5, h: 0.5, score: null };
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

const isShown = () => session.task.value !== null;
const hasBoxes = computed(() => isShown() && session.edited.value.boxes.length > 0);
const hasSelected = computed(() => isShown() && session.edited.value.selected !== null);

/** In the order of the list. */
export const ACTIONS: Record<ActionName, Action> = {
  finish: { keys: ["Enter"], isPossible: isShown, act: () => void session.finish() },
  negative: { keys: ["N"], isPossible: isShown, act: () => void session.decide("negative") },
  reject: { keys: ["X"], isPossible: isShown, act: () => void session.decide("reject") },
  skip: { keys: ["S"], isPossible: isShown, act: () => void session.decide("skip") },
  takeBack: { keys: ["B"], isPossible: () => session.canTakeBack.value, act: () => void session.takeBack() },
  nextBox: { keys: ["J"], isPossible: () => hasBoxes.value, act: () => edit((edited) => stepped(edited, 1)) },
  previousBox: { keys: ["K"], isPossible: () => hasBoxes.value, act: () => edit((edited) => stepped(edited, -1)) },
  noBox: { keys: ["Escape"], isPossible: () => hasSelected.value, act: () => edit(({ boxes }) => ({ boxes, selected: null })) },
  add: { keys: ["A"], isPossible: isShown, act: () => edit((edited) => added(edited, { ...MIDDLE, label: nextLabel.value })) },
  remove: { keys: ["Delete", "Backspace"], isPossible: () => hasSelected.value, act: () => edit(removed) },
  copy: { keys: ["C"], isPossible: () => session.canCopy.value, act: session.copyBefore },
  undo: { keys: ["Z", "Control+Z", "Meta+Z"], isPossible: () => session.canUndo.value, act: session.undo },
  redo: {
    keys: ["Y", "Control+Y", "Control+Shift+Z", "Meta+Shift+Z"],
    isPossible: () => session.canRedo.value,
    act: session.redo,
  },
  nameBox: { keys: [..."123456789"], isPossible: isShown, act: nameByNumber },
  moveBox: { keys: Object.keys(ARROWS), isPossible: () => hasSelected.value, act: (key) => shift(key, "move") },
  resizeBox: {
    keys: Object.keys(ARROWS).map((arrow) => `Shift+${arrow}`),
    isPossible: () => hasSelected.value,
    act: (key) => shift(key, "se"),
  },
  search: { keys: ["/"], isPossible: () => true, act: () => search.current?.focus() },
  zoomIn: { keys: ["Plus"], isPossible: () => isShown() && canEnlarge.value, act: () => enlarge(zoom.value + 1) },
  zoomOut: { keys: ["-"], isPossible: () => isShown() && canShrink.value, act: () => enlarge(zoom.value - 1) },
  list: { keys: ["?"], isPossible: () => true, act: () => (isListed.value = !isListed.value) },
};

/** Names the selected box, and the ones that are drawn from now on. */
export function name(label: string): void {
  nextLabel.value = label;
  edit((edited) => renamed(edited, label));
}

function nameByNumber(number: string): void {
  const found = session.classes.value[Number(number) - 1];
  if (found) name(found.name);
}

/** Moves the selected box, or a corner of it, as an arrow points. */
function shift(key: string, handle: Handle): void {
  const { boxes, selected } = session.edited.value;
  const box = selected === null ? undefined : boxes[selected];
  const arrow = ARROWS[key.replace("Shift+", "")];
  if (selected === null || box === undefined || arrow === undefined) return;
  edit((edited) => replaced(edited, selected, dragged(box, handle, ...arrow)));
}

function edit(make: (edited: Edited) => Edited): void {
  session.change(make(session.edited.value));
}
