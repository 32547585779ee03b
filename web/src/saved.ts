/** Lists that the browser keeps. */
import { signal, type ReadonlySignal } from "@preact/signals";

export interface SavedList<T> {
  /** What is kept, also where another page of the app has changed it. */
  list: ReadonlySignal<readonly T[]>;
  /**
   * Changes what is kept now, which another page may have changed a moment ago. Where the browser has no room the list of this page
   * is changed all the same, and it throws.
   */
  change(to: (kept: readonly T[]) => readonly T[]): void;
}

export function savedList<T>(key: string): SavedList<T> {
  const list = signal(read<T>(key));
  addEventListener("storage", (event) => {
    if (event.key === key) list.value = read(key);
  });
  const change = (to: (kept: readonly T[]) => readonly T[]) => {
    list.value = to(read(key));
    localStorage.setItem(key, JSON.stringify(list.value));
  };
  return { list, change };
}

/** Nothing, where it cannot be read. */
function read<T>(key: string): readonly T[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(found) ? (found as T[]) : [];
  } catch {
    return [];
  }
}
