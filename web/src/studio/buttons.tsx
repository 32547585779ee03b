/** Buttons for what can be done, for those who do not use keys. */
import { texts } from "../language";
import { ACTIONS, type ActionName } from "./actions";

const GROUPS = {
  tools: ["add", "remove", "copy", "undo", "redo", "zoomIn", "zoomOut"],
  decisions: ["finish", "negative", "reject", "skip", "takeBack"],
} as const satisfies Record<string, readonly ActionName[]>;

export function Buttons({ group }: { group: keyof typeof GROUPS }) {
  return (
    <div class={`controls ${group}`} role="group" aria-label={texts.value.studio[group]}>
      {GROUPS[group].map((name) => <ActionButton key={name} name={name} />)}
    </div>
  );
}

function ActionButton({ name }: { name: ActionName }) {
  const { keys, isPossible, act } = ACTIONS[name];
  return (
    <button
      type="button"
      class={name === "finish" ? "primary" : ""}
      aria-keyshortcuts={keys.join(" ")}
      disabled={!isPossible()}
      onClick={() => act("")}
    >
      {texts.value.studio.actions[name]}
    </button>
  );
}
