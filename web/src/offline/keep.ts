/** Has the service worker keep the app, and what computes networks once a city is on the device. */
import { effect } from "@preact/signals";
import { note } from "../log";
import { stored } from "../store";

export function keepApp(): void {
  if (!("serviceWorker" in navigator)) return;
  // Browsers take none from a server whose certificate was only clicked through.
  navigator.serviceWorker
    .register("/service-worker.js")
    .catch((error: unknown) => note(`the app cannot be kept for offline use: ${String(error)}`, "warn"));
  // Asked for at each start as well: the last time may have failed.
  effect(() => {
    if (stored.value.length === 0) return;
    void navigator.serviceWorker.ready.then(({ active }) => active?.postMessage("runtime"));
  });
}
