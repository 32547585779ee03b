/** Keeps the app on the device, so that it opens without a server. */

/** What the app consists of, and the runtime of networks, which is large; the build fills them in. */
declare const SHELL: { version: string; files: string[]; runtime: string[] };
declare const self: ServiceWorkerGlobalScope;

export {};

/** A network that drops everything must not keep the app from opening. */
const PATIENCE_MS = 3_000;
const CACHE = `app-${SHELL.version}`;
/** The cache of models, see `store.ts`. */
const MODELS = "models";

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const answer = answerOf(event.request);
  if (answer) event.respondWith(answer);
});
self.addEventListener("message", (event) => {
  // Whoever has a city on the device needs what computes it.
  if (event.data === "runtime") event.waitUntil(keep(SHELL.runtime));
});

async function install(): Promise<void> {
  await keep(SHELL.files);
  // A newer app must still work offline with the models that are there.
  if (await caches.has(MODELS)) await keep(SHELL.runtime);
  // It takes over when the pages of the one before are closed: until then these need what that one keeps.
}

async function keep(files: readonly string[]): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const file of files) if (!(await cache.match(file))) await cache.add(file);
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith("app-") && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

/** Assets never change under their names; the rest is asked for, and taken from the cache where nobody answers. */
function answerOf(request: Request): Promise<Response> | null {
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return null;
  if (SHELL.runtime.includes(pathname) || pathname.startsWith("/assets/")) return cachedFirst(request);
  if (request.mode === "navigate" ? pathname === "/" : SHELL.files.includes(pathname)) return askedFirst(request, pathname);
  return null;
}

async function cachedFirst(request: Request): Promise<Response> {
  return (await caches.match(request.url)) ?? (await fetch(request));
}

async function askedFirst(request: Request, pathname: string): Promise<Response> {
  const kept = await caches.match(pathname);
  const asked = fetch(request);
  if (!kept) return await asked;
  const late = new Promise<Response>((resolve) => setTimeout(() => resolve(kept), PATIENCE_MS));
  const answered = await Promise.race([asked, late]).catch(() => kept);
  // A proxy in front of a server that is gone answers as well.
  return answered.status >= 500 ? kept : answered;
}
