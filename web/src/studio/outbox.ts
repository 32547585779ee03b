/** What people said that the server has not heard yet: it is kept by the browser, and sent when the server is back. */
import { signal } from "@preact/signals";
import { askAdminJson } from "../admin";
import { post, Refused } from "../api";
import { note } from "../log";
import { savedList } from "../saved";
import { told } from "../told";
import type { Labelled } from "./boxes";

export type Verdict = "accept" | "correct" | "negative" | "reject" | "skip";

export interface Review {
  city: string;
  image: string;
  reviewer: string;
  verdict: Verdict;
  /** The labelling that was shown. */
  basis: string | null;
  boxes?: readonly Labelled[];
}

export interface Written {
  id: string;
  open: number;
}

const KEY = "reviews";
const AGAIN_MS = 3_000;

const { list, change } = savedList<Review>(KEY);
export const waiting = list;
/** Reviews that the server refused: another person was quicker. */
export const refused = signal<string | null>(null);

/** Keeps a review, and sends it; what was written down of it, or null where the server refused it. */
export async function say(review: Review): Promise<Written | null> {
  change((list) => [...list, review]);
  return await flush();
}

let flushing: Promise<Written | null> | null = null;

/** Sends all that waits, in its order, however long that takes; the answer to the last one. */
export function flush(): Promise<Written | null> {
  flushing ??= alone(sendAll).finally(() => (flushing = null));
  return flushing;
}

/** Other pages of the app send what is in the same list. Pages that are not safe have no locks. */
async function alone<T>(act: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? await navigator.locks.request(KEY, act) : await act();
}

async function sendAll(): Promise<Written | null> {
  let written: Written | null = null;
  for (let next = waiting.value[0]; next !== undefined; next = waiting.value[0]) {
    try {
      written = await askAdminJson<Written>("/v1/label/reviews", post(next));
      refused.value = null;
      drop(next);
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 401 || error.status === 429 || error.status >= 500) {
        if (error instanceof Refused && error.status === 401) return written;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        continue;
      }
      written = null;
      refused.value = told(error);
      note(`a review of ${next.image} was refused: ${error.message}`, "warn");
      drop(next);
    }
  }
  return written;
}

/** It may stand elsewhere by now: another page of the app has the same list. */
function drop({ image, reviewer }: Review): void {
  change((list) => {
    const place = list.findIndex((one) => one.image === image && one.reviewer === reviewer);
    return list.filter((_, index) => index !== place);
  });
}
