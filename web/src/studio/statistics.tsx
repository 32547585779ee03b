/** What is labelled in the city so far, and how much of it people have looked at. */
import { useSignal } from "@preact/signals";
import { askAdminJson } from "../admin";
import type { Page } from "../api";
import { useAsked } from "../asked";
import { Table } from "../table";
import { Trouble } from "../trouble";
import { ago } from "../words";
import { texts } from "../language";
import { number } from "../numbers";
import type { Verdict } from "./outbox";

const COUNTED = ["images", "labelled", "empty", "unlabelled", "boxes"] as const;
/** The server lists no more reviews at once. */
const PAGE = 500;
const EVERY_MS = 30_000;

type Counts = Record<(typeof COUNTED)[number] | "refreshed_at", number>;

interface Said {
  image: string;
  verdict: Verdict;
  undone_at: number | null;
}

interface Figures {
  /** Null where the server has not counted yet. */
  counts: Counts | null;
  /** Pictures that people have looked at. */
  reviewed: number;
}

export function Statistics({ city }: { city: string }) {
  const isOpen = useSignal(false);
  return (
    <details onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>{texts.value.studio.statistics}</summary>
      {isOpen.value && <Numbers city={city} />}
    </details>
  );
}

function Numbers({ city }: { city: string }) {
  const { studio, control } = texts.value;
  const asked = useAsked(() => figures(city), EVERY_MS, city);
  if (asked.value === null) return <Trouble asked={asked} />;
  const { counts, reviewed } = asked.value;
  const row = (what: keyof typeof studio.counted, count: number) => (
    <tr key={what}>
      <th scope="row">{studio.counted[what]}</th>
      <td>{number(count)}</td>
    </tr>
  );
  return (
    <>
      <Trouble asked={asked} />
      <Table caption={studio.statistics} head={studio.ofCount}>
        {counts !== null && COUNTED.map((what) => row(what, counts[what]))}
        {row("reviewed", reviewed)}
      </Table>
      <p class="quiet">{counts === null ? control.city.uncounted : control.city.refreshed(ago(counts.refreshed_at))}</p>
    </>
  );
}

async function figures(city: string): Promise<Figures> {
  const about = askAdminJson<{ counts: Counts | null }>(`/v1/cities/${encodeURIComponent(city)}`);
  const [{ counts }, reviewed] = await Promise.all([about, countReviewed(city)]);
  return { counts, reviewed };
}

/** Whoever left a picture to others, or took back what they said of it, has not decided it. */
async function countReviewed(city: string): Promise<number> {
  const images = new Set<string>();
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ city, limit: String(PAGE), ...(cursor === null ? {} : { cursor }) });
    const page: Page<Said> = await askAdminJson<Page<Said>>(`/v1/label/reviews?${query}`);
    const standing = page.items.filter(({ verdict, undone_at }) => undone_at === null && verdict !== "skip");
    standing.forEach(({ image }) => images.add(image));
    cursor = page.next;
  } while (cursor !== null);
  return images.size;
}
