/**
 * Models on this device: each is whole and verified, or not there. Files lie in a cache of the browser under their digest; the
 * list of cities, which is written last, says which of them count.
 */
import { signal } from "@preact/signals";
import { ask, type Model } from "./api";
import { texts } from "./language";
import { note } from "./log";
import { savedList } from "./saved";

const LIST = "models";
const CACHE = "models";

export interface Stored {
  /** The slug of its city. */
  city: string;
  /** The city as people write it. */
  name: string;
  model: Model;
  /** SHA-256 of the ONNX file, in hexadecimal. */
  digest: string;
  /** Bytes of that file. */
  size: number;
}

export interface Download {
  city: string;
  done: number;
  total: number;
}

/** Browsers store files, and tell digests, only in pages over https or of this machine. */
export const canStore = isSecureContext && "caches" in self && typeof WebAssembly === "object";

const { list, change } = savedList<Stored>(LIST);
export const stored = list;
/** What is being downloaded. */
export const downloading = signal<Download | null>(null);

let abort: AbortController | null = null;

export function find(city: string | null): Stored | null {
  return stored.value.find((one) => one.city === city) ?? null;
}

/** Downloads the model of a city; the one before stays until the new one is verified. */
export async function download(city: string, name: string, model: Model): Promise<void> {
  abort?.abort();
  const mine = (abort = new AbortController());
  downloading.value = { city, done: 0, total: model.size };
  try {
    const bytes = await fetched(city, model, mine.signal);
    const digest = model.file_sha256;
    const found = await sha256(bytes);
    if (found !== digest) throw new Error(texts.value.device.damaged(found, digest));
    await alone(async () => {
      await (await caches.open(CACHE)).put(address(digest), new Response(bytes));
      const kept = { city, name, model, digest, size: bytes.byteLength };
      change((list) => [...list.filter((one) => one.city !== city), kept]);
      await tidy();
    });
    note(`the model of ${name}, version ${model.version ?? "–"}, is on this device`);
    // Asked for, so that a browser short of space takes other things first.
    await navigator.storage?.persist?.().catch(() => false);
  } finally {
    if (abort === mine) downloading.value = null;
  }
}

/** Other pages of the app change the same list and files. */
async function alone(act: () => Promise<void>): Promise<void> {
  await navigator.locks.request(LIST, act);
}

export function cancel(): void {
  abort?.abort();
}

async function fetched(city: string, model: Model, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await ask(`/v1/models/${encodeURIComponent(model.name)}/file`, { signal, cache: "no-store" });
  // The list may be older than the file: then its classes are those of another network.
  const tag = response.headers.get("etag") ?? "";
  if (tag && !tag.includes(model.file_sha256)) throw new Error(texts.value.device.another);
  const total = model.size;
  const parts: Uint8Array[] = [];
  let done = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(part.value);
    done += part.value.byteLength;
    downloading.value = { city, done, total };
  }
  if (done !== total) throw new Error(texts.value.device.short(done, total));
  return await new Blob(parts as BlobPart[]).arrayBuffer();
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** No server has such a path: it is a name in the cache only. */
function address(digest: string): string {
  return `/on-this-device/${digest}.onnx`;
}

/** The file of a model; null where the browser has removed it. */
export async function file({ city, digest }: Stored): Promise<ArrayBuffer | null> {
  const response = await (await caches.open(CACHE)).match(address(digest));
  if (response) return await response.arrayBuffer();
  note(`the browser has removed the model of ${city}`, "warn");
  await alone(async () => drop(city));
  return null;
}

export async function remove(city: string): Promise<void> {
  await alone(async () => {
    drop(city);
    await tidy();
  });
}

function drop(city: string): void {
  change((list) => list.filter((one) => one.city !== city));
}

/** Removes files that do not count: of older versions, and of downloads whose page was closed. */
async function tidy(): Promise<void> {
  const wanted = new Set(stored.value.map(({ digest }) => address(digest)));
  const cache = await caches.open(CACHE);
  for (const request of await cache.keys()) {
    if (!wanted.has(new URL(request.url).pathname)) await cache.delete(request);
  }
}
