/** What the app did since it was opened: shown in debug mode, and downloaded as a file. */
import { signal } from "@preact/signals";

export interface Entry {
  /** Milliseconds since 1970-01-01 UTC. */
  at: number;
  level: "info" | "warn" | "error";
  text: string;
}

/** More lines than anybody reads; older ones go. */
const GREATEST = 5000;

export const entries = signal<readonly Entry[]>([]);

export function note(text: string, level: Entry["level"] = "info"): void {
  const kept = entries.value.slice(-GREATEST + 1);
  entries.value = [...kept, { at: Date.now(), level, text }];
}

/** What is the matter with that which is looked at again and again, by its name. */
const troubles = new Map<string, string>();

/** Warns of what is the matter with something, once for as long as it is; null is nothing. */
export function noteTrouble(about: string, trouble: string | null): void {
  if (trouble === (troubles.get(about) ?? null)) return;
  if (trouble === null) troubles.delete(about);
  else troubles.set(about, trouble);
  note(trouble === null ? `${about}: all is well again` : `${about}: ${trouble}`, trouble === null ? "info" : "warn");
}

/** A line as the older desktop client wrote it: time, level, message. */
export function line(entry: Entry): string {
  return `${new Date(entry.at).toISOString()} :: ${entry.level.toUpperCase()} :: ${entry.text}`;
}

/** The log of this session as a file with its start in the name. */
export function asFile(): File {
  const started = entries.value[0]?.at ?? Date.now();
  const stamp = new Date(started).toISOString().slice(0, 19).replaceAll(":", "_");
  const text = entries.value.map(line).join("\n");
  return new File([`${text}\n`], `sightscan-${stamp}.log`, { type: "text/plain" });
}

addEventListener("error", (event) => note(event.message, "error"));
addEventListener("unhandledrejection", (event) => note(String(event.reason), "error"));
