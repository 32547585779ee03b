/** Where the visitor is: asked for only when somebody wants to know it. */
import { signal } from "@preact/signals";
import { note } from "../log";
import type { Spot } from "./sights";

export type Trouble = "insecure" | "refused" | "unknown";

/** A satellite takes a while. */
const PATIENCE_MS = 20_000;

export const spot = signal<Spot | null>(null);
export const trouble = signal<Trouble | null>(null);
export const isAsking = signal(false);

export async function locate(): Promise<void> {
  trouble.value = null;
  isAsking.value = true;
  try {
    const { latitude, longitude } = (await asked()).coords;
    spot.value = { latitude, longitude };
  } catch (error) {
    trouble.value = meaning(error);
    note(`the position is not known: ${error instanceof Error ? error.message : trouble.value}`, "warn");
  } finally {
    isAsking.value = false;
  }
}

function asked(): Promise<GeolocationPosition> {
  return new Promise((resolve, reject) =>
    navigator.geolocation.getCurrentPosition(resolve, reject, { enableHighAccuracy: true, timeout: PATIENCE_MS }),
  );
}

function meaning(error: unknown): Trouble {
  if (!isSecureContext) return "insecure";
  const isRefused = error instanceof GeolocationPositionError && error.code === error.PERMISSION_DENIED;
  return isRefused ? "refused" : "unknown";
}
