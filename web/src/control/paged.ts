/** A list that comes in pages, as many of them as somebody asks for. */
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdminJson } from "../admin";
import type { Page } from "../api";
import { told } from "../told";

export interface Paged<T> {
  items: readonly T[];
  isBusy: boolean;
  failure: string | null;
  hasMore: boolean;
  more: () => void;
  /** Takes an item off the list, whose place is elsewhere now. */
  drop: (item: T) => void;
}

/** The first page of `path`, which has a query, is asked for at once. */
export function usePaged<T>(path: string): Paged<T> {
  const items = useSignal<readonly T[]>([]);
  const next = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const failure = useSignal<string | null>(null);
  // Of the list that is shown now; an answer for another one comes too late.
  const run = useRef(0);
  const load = async () => {
    const mine = run.current;
    [isBusy.value, failure.value] = [true, null];
    const cursor = next.value === null ? "" : `&cursor=${encodeURIComponent(next.value)}`;
    try {
      const page = await askAdminJson<Page<T>>(path + cursor);
      if (run.current === mine) [items.value, next.value] = [[...items.value, ...page.items], page.next];
    } catch (error) {
      if (run.current === mine) failure.value = told(error);
    } finally {
      if (run.current === mine) isBusy.value = false;
    }
  };
  useEffect(() => {
    [items.value, next.value] = [[], null];
    run.current += 1;
    void load();
    return () => {
      run.current += 1;
    };
  }, [path]);
  return {
    items: items.value,
    isBusy: isBusy.value,
    failure: failure.value,
    hasMore: next.value !== null,
    more: () => void load(),
    drop: (item) => (items.value = items.value.filter((one) => one !== item)),
  };
}
