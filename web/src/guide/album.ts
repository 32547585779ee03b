/** Pictures that were given together: one of them is shown, the others are a button away. */
import { signal } from "@preact/signals";
import { texts } from "../language";
import { open } from "./looking";

export const album = signal<readonly File[]>([]);
/** Which of them is shown. */
export const place = signal(0);
/** What could not be shown, in words. */
export const refused = signal<string | null>(null);

/** Shows the first of these that can be read as a picture; where none can, what was there stays. */
export async function take(files: Iterable<File>): Promise<void> {
  const given = [...files];
  if (given.length > 0) await show(given, 0);
}

export async function turn(step: 1 | -1): Promise<void> {
  const count = album.value.length;
  await show(album.value, (place.value + step + count) % count);
}

/** Leaves those out that cannot be read. */
async function show(files: readonly File[], at: number): Promise<void> {
  const readable = [...files];
  const unreadable: File[] = [];
  for (let file = readable[at]; file !== undefined; file = readable[at]) {
    if (await open(file, file.name)) {
      album.value = readable;
      place.value = at;
      break;
    }
    unreadable.push(...readable.splice(at, 1));
  }
  refused.value = unreadable.map(({ name }) => texts.value.input.notAPicture(name)).join(" ") || null;
}
