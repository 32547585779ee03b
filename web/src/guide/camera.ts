/** The cameras of this device, and the one that is on. */
import { signal } from "@preact/signals";
import { note } from "../log";

export type Trouble = "insecure" | "refused" | "missing" | "busy";

export const cameras = signal<readonly MediaDeviceInfo[]>([]);
export const stream = signal<MediaStream | null>(null);
export const trouble = signal<Trouble | null>(isSecureContext ? null : "insecure");

/** Which camera is on, by its id. */
export function current(): string | null {
  return stream.value?.getVideoTracks()[0]?.getSettings().deviceId ?? null;
}

/** Counts what was wished: a camera that comes after the next wish goes off again. */
let wishes = 0;

/** Switches a camera on: the one with this id, else the one that looks away from its holder. */
export async function start(id?: string): Promise<void> {
  if (!isSecureContext) return;
  stop();
  const mine = wishes;
  const which: MediaTrackConstraints = id ? { deviceId: { exact: id } } : { facingMode: "environment" };
  try {
    const got = await navigator.mediaDevices.getUserMedia({ video: { ...which, width: { ideal: 1280 } } });
    if (mine !== wishes) return end(got);
    stream.value = got;
    trouble.value = null;
    // It was unplugged, or the permission was taken back.
    for (const track of got.getTracks()) track.onended = () => stream.value === got && stop();
    // Names are told only after the permission.
    await list();
  } catch (error) {
    if (mine === wishes) trouble.value = meaning(error);
    note(`the camera does not start: ${String(error)}`, "error");
  }
}

/** Switches the camera off, so that its light goes out. */
export function stop(): void {
  wishes += 1;
  if (stream.value) end(stream.value);
  stream.value = null;
}

function end(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}

/** The next of the cameras. */
export async function turn(): Promise<void> {
  const at = cameras.value.findIndex(({ deviceId }) => deviceId === current());
  const next = cameras.value[(at + 1) % cameras.value.length];
  if (next) await start(next.deviceId);
}

export async function list(): Promise<void> {
  if (!isSecureContext) return;
  const devices = await navigator.mediaDevices.enumerateDevices();
  cameras.value = devices.filter(({ kind }) => kind === "videoinput");
}

function meaning(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "missing";
}

if (isSecureContext) {
  navigator.mediaDevices.addEventListener("devicechange", () => void list());
  void list();
}
addEventListener("pagehide", stop);
