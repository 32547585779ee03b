/** Which page is shown: the part of the address behind `#/`, so that every page works offline from one file. */
import { signal } from "@preact/signals";

function read(): string[] {
  const path = location.hash.replace(/^#\/?/, "");
  try {
    return path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    // No address of ours.
    return [];
  }
}

/** The parts of the path: `#/city/berlin` is `["city", "berlin"]`. */
export const route = signal(read());

addEventListener("hashchange", () => {
  route.value = read();
});

export function go(...parts: string[]): void {
  location.hash = href(...parts);
}

export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}
