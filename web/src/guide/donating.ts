/** Giving a picture to the project: only with consent, once a picture, and to be taken back. */
import { computed, signal } from "@preact/signals";
import { ask, askJson, LARGE_MS } from "../api";
import { language, texts } from "../language";
import { note } from "../log";
import { savedList } from "../saved";
import { plain, told } from "../told";

/** What donors agree to, in one language. */
export interface Text {
  version: string;
  text: string;
}

/** What donors agree to, as the server tells it: in English, and in other languages. */
interface Consent extends Text {
  translations?: readonly (Text & { language: string })[];
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
const consent = signal<Consent | null>(null);
/** The version of the text that was agreed to. */
const agreed = signal<string | null>(null);
export const isAgreed = computed(() => agreed.value !== null);
export const isRemembered = signal(false);
const { list, change } = savedList<Donation>(LIST);
export const donations = list;
export const failure = signal<string | null>(null);

/** The text that is shown, and its language. */
export const shown = computed<(Text & { language: string }) | null>(() => {
  if (consent.value === null) return null;
  const translated = consent.value.translations?.find((one) => one.language === language.value);
  return translated ?? { ...consent.value, language: "en" };
});

/** Pictures that were given since the page was opened. */
const given = new WeakSet<Blob>();

/** Asks for the text. A consent that was remembered holds for the same text only. */
export async function load(): Promise<void> {
  if (consent.value !== null) return;
  try {
    consent.value = await askJson<Consent>("/v1/consent");
    const versions = [consent.value, ...(consent.value.translations ?? [])].map(({ version }) => version);
    agreed.value = versions.find((version) => version === localStorage.getItem(REMEMBERED)) ?? null;
    isRemembered.value = isAgreed.value;
  } catch (error) {
    note(`the text of the consent cannot be asked for: ${String(error)}`, "warn");
  }
}

export function agree(yes: boolean): void {
  agreed.value = yes ? (shown.value?.version ?? null) : null;
  if (!yes) remember(false);
}

export function remember(yes: boolean): void {
  isRemembered.value = yes;
  if (yes && agreed.value !== null) localStorage.setItem(REMEMBERED, agreed.value);
  else localStorage.removeItem(REMEMBERED);
}

/** Gives a picture that was looked at, where its owner has agreed. */
export async function give(file: Blob, name: string, city: string): Promise<void> {
  if (agreed.value === null || given.has(file)) return;
  failure.value = null;
  given.add(file);
  const form = new FormData();
  form.set("image", file, name);
  form.set("consent", agreed.value);
  try {
    const path = `/v1/cities/${encodeURIComponent(city)}/images`;
    const signal = AbortSignal.timeout(LARGE_MS);
    const receipt = await askJson<{ image: number | string; delete: string }>(path, { method: "POST", body: form, signal });
    change((list) => [...list, { ...receipt, city, name, at: Date.now() }]);
    note(`${name} was given for ${city}`);
  } catch (error) {
    given.delete(file);
    failure.value = `${texts.value.donation.failed}: ${told(error)}`;
    note(`${name} could not be given: ${plain(error)}`, "error");
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
    failure.value = `${texts.value.donation.kept}: ${told(error)}`;
    note(`${donation.name} could not be taken back: ${plain(error)}`, "error");
  }
}
