/** The list of keys. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { texts } from "../language";
import { ACTIONS, type ActionName } from "./actions";
import { readable } from "./keys";
import { isListed } from "./view";

export function Shortcuts() {
  const { studio } = texts.value;
  const list = useRef<HTMLDetailsElement>(null);
  const summary = useRef<HTMLElement>(null);
  useEffect(() => () => void (isListed.value = false), []);
  // Before the next key is pressed.
  useLayoutEffect(() => {
    if (!isListed.value) return;
    const before = document.activeElement;
    // A key may have opened it from far above.
    summary.current?.focus();
    list.current?.scrollIntoView({ block: "nearest" });
    return () => {
      summary.current?.blur();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [isListed.value]);
  return (
    <details ref={list} class="shortcuts" open={isListed.value} onToggle={(event) => (isListed.value = event.currentTarget.open)}>
      <summary ref={summary} aria-keyshortcuts={ACTIONS.list.keys.join(" ")}>{studio.shortcuts}</summary>
      <dl>
        {Object.entries(ACTIONS).map(([name, { keys }]) => (
          <div key={name}>
            <dt>{keys.map((key) => <kbd key={key}>{readable(key)}</kbd>)}</dt>
            <dd>{studio.actions[name as ActionName]}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
