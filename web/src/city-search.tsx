/** Finding a city in a long list of them. */
import type { Signal } from "@preact/signals";
import type { City } from "./api";

/** A list that is longer is searched. */
const SHORT = 8;

interface Props {
  label: string;
  cities: readonly City[];
  wanted: Signal<string>;
}

export function CitySearch({ label, cities, wanted }: Props) {
  if (cities.length <= SHORT) return null;
  const type = (event: InputEvent & { currentTarget: HTMLInputElement }) => (wanted.value = event.currentTarget.value);
  return <input type="search" aria-label={label} placeholder={label} value={wanted.value} onInput={type} />;
}

/** Whether a name has each word of what was typed in it, whatever its accents. */
export function isMeant({ name, slug }: City, wanted: string): boolean {
  const text = plain(`${name} ${slug}`);
  return plain(wanted).split(/\s+/).every((word) => text.includes(word));
}

function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
}
