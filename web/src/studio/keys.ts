/** Keys of the studio: what they do, and how they are written. */
import { texts } from "../language";
import { ACTIONS, type Action } from "./actions";

/** Keys that are called the same in every language. */
const SIGNS: Record<string, string> = { Plus: "+", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

const BY_KEY = new Map(Object.values(ACTIONS).flatMap((action) => action.keys.map((key): [string, Action] => [key, action])));

/** Does what a key means; whether it means anything now. Keys that are typed into a field mean nothing. */
export function press(event: KeyboardEvent): boolean {
  const { target } = event;
  const isOn = (what: string) => target instanceof Element && target.closest(what) !== null;
  if (event.altKey || isOn("input, select, textarea")) return false;
  // A button that has the focus is pressed by the same key.
  if (event.key === "Enter" && isOn("button, a, summary")) return false;
  const key = written(event);
  const action = BY_KEY.get(key);
  if (action === undefined || !action.isPossible()) return false;
  action.act(key);
  return true;
}

/** A key and what is held with it, as `aria-keyshortcuts` writes them. */
function written({ key, ctrlKey, metaKey, shiftKey }: KeyboardEvent): string {
  // With other signs than letters Shift is how they are typed.
  const isShifted = shiftKey && (key.length > 1 || /\p{L}/u.test(key));
  const held = [ctrlKey && "Control", metaKey && "Meta", isShifted && "Shift"].filter((one) => one !== false);
  const name = key === "+" ? "Plus" : key;
  return [...held, name.length === 1 ? name.toUpperCase() : name].join("+");
}

/** A key as keyboards of the language call it. */
export function readable(key: string): string {
  const { keyNames } = texts.value.studio;
  const names: Record<string, string> = { ...SIGNS, ...keyNames };
  return key.split("+").map((part) => names[part] ?? part).join("+");
}
