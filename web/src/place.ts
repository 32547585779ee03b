/** Where pictures of the chosen city are looked at, and what is missing for that. */
import { computed, signal } from "@preact/signals";
import { chosen, known, modelOf } from "./cities";
import type { Model } from "./api";
import { canStore, find, type Stored } from "./store";

export type Where = "device" | "server";

const KEY = "where";

/** On the device unless somebody has said otherwise: then nothing leaves it. */
export const wished = signal<Where>(localStorage.getItem(KEY) === "server" ? "server" : "device");
export const where = computed<Where>(() => (canStore ? wished.value : "server"));

export function wish(place: Where): void {
  localStorage.setItem(KEY, place);
  wished.value = place;
}

export type Situation =
  | { kind: "none" }
  /** Nobody can look: there is no model, or it is out of reach. */
  | { kind: "impossible"; why: "no-model" | "offline" }
  /** The model is on the server only. */
  | { kind: "download"; model: Model }
  | { kind: "device"; stored: Stored; update: Model | null }
  | { kind: "server"; model: Model };

export const situation = computed<Situation>(() => {
  const city = chosen.value;
  if (city === null) return { kind: "none" };
  const offered = known.value?.isOnline ? modelOf(city) : null;
  if (where.value === "server" && offered) return { kind: "server", model: offered };
  const stored = canStore ? find(city) : null;
  if (stored) return { kind: "device", stored, update: offered && isOther(offered, stored.model) ? offered : null };
  if (offered) return { kind: "download", model: offered };
  return { kind: "impossible", why: known.value?.isOnline === false ? "offline" : "no-model" };
});

/** After a roll-back the live version is an older one, and to be had all the same. */
export function isOther(offered: Model, stored: Model): boolean {
  return offered.sha256 !== stored.sha256 || offered.version !== stored.version;
}

/** Whether detection can begin. */
export const isReady = computed(() => situation.value.kind === "device" || situation.value.kind === "server");
