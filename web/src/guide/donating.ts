/** Giving a picture to the project: only with consent, once a picture, and to be taken back. */
import { signal } from "@preact/signals";
import { ask, askJson, LARGE_MS } from "../api";
import { note } from "../log";
import { savedList } from "../saved";

/** What donors agree to, as the server tells it. */
export interface Consent {
  version: string;
  text: string;
}

export interface Donation {
  image: number | string;
  /** The path by which it is taken back. */
  delete: string;
  city: string;
  name: string;
  /** Milliseconds since 1970-01-01 UTC. */
  at: number;
}

/** The version of the consent that was asked to be remembered. */
const REMEMBERED = "consent";
const LIST = "donations";

/** Null before anybody has asked for it, and where the server takes no donations. */
export const consent = signal<Consent | null>(null);
export const isAgreed = signal(false);
export const isRemembered = signal(false);
const { list, change } = savedList<Donation>(LIST);
export const donations = list;
export const failure = signal<string | null>(null);

/** Pictures that were given since the page was opened. */
const given = new WeakSet<Blob>();

/** Asks for the text. A consent that was remembered holds for the same text only. */
export async function load(): Promise<void> {
  if (consent.value !== null) return;
  try {
    consent.value = await askJson<Consent>("/v1/consent");
    isRemembered.value = localStorage.getItem(REMEMBERED) === consent.value.version;
    isAgreed.value = isRemembered.value;
  } catch (error) {
    note(`the text of the consent cannot be asked for: ${String(error)}`, "warn");
  }
}

export function agree(yes: boolean): void {
  isAgreed.value = yes;
  if (!yes) remember(false);
}

export function remember(yes: boolean): void {
  isRemembered.value = yes;
  if (yes && consent.value) localStorage.setItem(REMEMBERED, consent.value.version);
  else localStorage.removeItem(REMEMBERED);
}

/** Gives a picture that was looked at, where its owner has agreed. */
export async function give(file: Blob, name: string, city: string): Promise<void> {
  if (!isAgreed.value || consent.value === null || given.has(file)) return;
  failure.value = null;
  given.add(file);
  const form = new FormData();
  form.set("image", file, name);
  form.set("consent", consent.value.version);
  try {
    const path = `/v1/cities/${encodeURIComponent(city)}/images`;
    const signal = AbortSignal.timeout(LARGE_MS);
    const receipt = await askJson<{ image: number | string; delete: string }>(path, { method: "POST", body: form, signal });
    change((list) => [...list, { ...receipt, city, name, at: Date.now() }]);
    note(`${name} was given for ${city}`);
  } catch (error) {
    given.delete(file);
    failure.value = error instanceof Error ? error.message : String(error);
    note(`${name} could not be given: ${failure.value}`, "error");
  }
}

/** Takes a picture back: the server deletes it for good. */
export async function takeBack(donation: Donation): Promise<void> {
  failure.value = null;
  try {
    // Where it is configured the path is a whole address; it is this server's.
    await ask(new URL(donation.delete, location.href).pathname, { method: "DELETE" });
    change((list) => list.filter((other) => other.delete !== donation.delete));
    note(`${donation.name} was taken back`);
  } catch (error) {
    failure.value = error instanceof Error ? error.message : String(error);
    note(`${donation.name} could not be taken back: ${failure.value}`, "error");
  }
}
