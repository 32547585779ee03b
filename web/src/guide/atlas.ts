/** The sights of cities as the server tells them, kept by the browser. */
import { effect } from "@preact/signals";
import { askJson, Refused } from "../api";
import { city, known } from "../cities";
import { note } from "../log";
import { savedList } from "../saved";
import { find } from "../store";
import type { Sight } from "./sights";

interface Sheet {
  /** The slug of its city. */
  city: string;
  sights: readonly Sight[];
}

const { list: sheets, change } = savedList<Sheet>("sights");

/** Cities that were asked about since the page was opened. */
const asked = new Set<string>();

export function sightsOf(slug: string | null): readonly Sight[] {
  return sheets.value.find((sheet) => sheet.city === slug)?.sights ?? [];
}

async function ask(slug: string): Promise<void> {
  if (asked.has(slug)) return;
  asked.add(slug);
  try {
    const { items } = await askJson<{ items: Sight[] }>(`/v1/cities/${encodeURIComponent(slug)}/sights`);
    keep(slug, items.map(brief));
  } catch (error) {
    // Servers of before do not tell of sights.
    if (error instanceof Refused && error.status === 404) return;
    asked.delete(slug);
    note(`the sights of ${slug} cannot be asked for: ${String(error)}`, "warn");
  }
}

function brief({ name, latitude, longitude, wikidata, source }: Sight): Sight {
  return { name, latitude, longitude, wikidata, source };
}

/** Beside it only those of cities that are on this device are of use later. */
function keep(slug: string, sights: readonly Sight[]): void {
  const isOfUse = (sheet: Sheet) => sheet.city !== slug && find(sheet.city) !== null;
  try {
    change((list) => [...list.filter(isOfUse), { city: slug, sights }]);
  } catch (error) {
    note(`the sights of ${slug} are not kept: ${String(error)}`, "warn");
  }
}

effect(() => {
  const slug = city.value?.slug;
  const { isOnline, features } = known.value ?? {};
  if (slug !== undefined && isOnline && features?.cities) void ask(slug);
});
