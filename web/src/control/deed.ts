/** Something that the server is told to do. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { post } from "../api";
import { told } from "../told";

export interface Deed {
  isBusy: boolean;
  /** Why it was refused, or did not arrive. */
  failure: string | null;
  attempt: (work: () => Promise<void>) => void;
}

/** One at a time; what was refused stays to be read until the next, or until `about` is another. */
export function useDeed(about?: unknown): Deed {
  const isBusy = useSignal(false);
  const failure = useSignal<string | null>(null);
  useEffect(() => {
    failure.value = null;
  }, [about]);
  const attempt = async (work: () => Promise<void>) => {
    [isBusy.value, failure.value] = [true, null];
    try {
      await work();
    } catch (error) {
      failure.value = told(error);
    } finally {
      isBusy.value = false;
    }
  };
  return { isBusy: isBusy.value, failure: failure.value, attempt: (work) => void attempt(work) };
}

/** A decision and its reason, where one is given. */
export function because(why: string): RequestInit {
  return post(why.trim() === "" ? {} : { reason: why.trim() });
}
