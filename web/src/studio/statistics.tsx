/** What is labelled in the city so far, and how much of it people have looked at. */
import { useSignal } from "@preact/signals";
import { askAdminJson } from "../admin";
import { useAsked } from "../asked";
import { Table } from "../table";
import { Trouble } from "../trouble";
import { ago } from "../words";
import { texts } from "../language";
import { number } from "../numbers";

const COUNTED = ["images", "labelled", "empty", "unlabelled", "boxes"] as const;
const EVERY_MS = 30_000;

type Counts = Record<(typeof COUNTED)[number] | "refreshed_at", number>;

interface Figures {
  /** Null where the server has not counted yet. */
  counts: Counts | null;
  /** Pictures that people have decided about, and those that they have still to look at. */
  progress: { decided: number; open: number };
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
  const { counts, progress } = asked.value;
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
        {row("decided", progress.decided)}
        {row("open", progress.open)}
      </Table>
      <p class="quiet">{counts === null ? control.city.uncounted : control.city.refreshed(ago(counts.refreshed_at))}</p>
    </>
  );
}

async function figures(city: string): Promise<Figures> {
  const slug = encodeURIComponent(city);
  const about = askAdminJson<{ counts: Counts | null }>(`/v1/cities/${slug}`);
  const people = askAdminJson<Figures["progress"]>(`/v1/label/progress?city=${slug}`);
  const [{ counts }, progress] = await Promise.all([about, people]);
  return { counts, progress };
}
