/** What the server says, asked for again and again while somebody looks. */
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { told } from "./told";

export interface Asked<T> {
  /** The newest answer; it stays while later ones fail. */
  value: T | null;
  failure: string | null;
  again: () => void;
}

/** Asks at once, whenever `key` is another, every so often while the page is looked at, and when `again` is called. */
export function useAsked<T>(ask: () => Promise<T>, everyMs?: number, key?: unknown): Asked<T> {
  const value = useSignal<T | null>(null);
  const failure = useSignal<string | null>(null);
  const newest = useRef(ask);
  newest.current = ask;
  const again = useRef(() => {});
  useEffect(() => {
    [value.value, failure.value] = [null, null];
    let asked = 0;
    let heard = 0;
    let isLeft = false;
    const look = async () => {
      const number = (asked += 1);
      // An answer that was overtaken by a later one, or that nobody waits for any more, is dropped.
      const isLate = () => isLeft || number < heard;
      try {
        const answer = await newest.current();
        if (isLate()) return;
        [heard, value.value, failure.value] = [number, answer, null];
      } catch (error) {
        if (!isLate()) [heard, failure.value] = [number, told(error)];
      }
    };
    const stop = everyMs === undefined ? () => {} : repeated(look, everyMs);
    again.current = () => void look();
    void look();
    return () => {
      isLeft = true;
      stop();
    };
  }, [key, everyMs]);
  return { value: value.value, failure: failure.value, again: () => again.current() };
}

/** Does something every so often while the page is visible, and when it is shown again; returns how to end that. */
function repeated(work: () => Promise<void>, everyMs: number): () => void {
  let isBusy = false;
  const turn = async () => {
    if (isBusy || document.hidden) return;
    isBusy = true;
    await work();
    isBusy = false;
  };
  const timer = setInterval(() => void turn(), everyMs);
  const shown = () => void turn();
  document.addEventListener("visibilitychange", shown);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}
