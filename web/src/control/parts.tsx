/** Small parts that the pages of the control room share. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { texts } from "../language";
import { when } from "../words";

/** Gives the focus back to whatever had it, if that is still there, when what is shown meanwhile goes. */
export function useFocusBack(): void {
  useEffect(() => {
    const before = document.activeElement;
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
}

/** A time in words; the exact one is told to whoever points at it. */
export function Moment({ at, children }: { at: number; children: string }) {
  return <time dateTime={new Date(at).toISOString()} title={when(at)}>{children}</time>;
}

interface SureProps {
  label: string;
  question: string;
  yes: string;
  isDisabled?: boolean;
  act: () => void;
}

/** A button for what cannot be taken back easily: it asks once more. */
export function Sure({ label, question, yes, isDisabled = false, act }: SureProps) {
  const { control } = texts.value;
  /** Null before it was ever asked: the page's focus stays where it is. */
  const isAsked = useSignal<boolean | null>(null);
  const first = useRef<HTMLButtonElement>(null);
  // Before the next key is pressed.
  useLayoutEffect(() => {
    if (isAsked.value !== null) first.current?.focus();
  }, [isAsked.value]);
  const leave = () => (isAsked.value = false);
  if (isAsked.value !== true) {
    return <button ref={first} type="button" disabled={isDisabled} onClick={() => (isAsked.value = true)}>{label}</button>;
  }
  return (
    <span class="sure" role="group" aria-label={question} onKeyDown={(event) => event.key === "Escape" && leave()}>
      {question}{" "}
      <button
        ref={first}
        type="button"
        onClick={() => {
          leave();
          act();
        }}
      >
        {yes}
      </button>
      <button type="button" onClick={leave}>{control.no}</button>
    </span>
  );
}
