/** Two versions side by side. */
import { texts } from "../language";
import { spoken } from "../names";
import { bytes, number } from "../numbers";
import type { ClassMetrics, Model } from "./model";
import { Table } from "../table";
import { percent, when } from "../words";

interface Props {
  before: Model;
  after: Model;
}

export function Compared({ before, after }: Props) {
  const { models: words } = texts.value.control;
  const columns = [words.version(before.version), words.version(after.version), words.difference];
  const classes = [...new Set([...classesOf(before), ...classesOf(after)].map(({ label }) => label))].sort();
  return (
    <section>
      <h4>{words.compared(before.version, after.version)}</h4>
      <Table caption={words.overall} head={[words.number, ...columns]}>
        <Measured name="mAP@0.5" before={before.metrics.map50} after={after.metrics.map50} />
        <Measured name="mAP@0.5:0.95" before={before.metrics.map50_95} after={after.metrics.map50_95} />
        <Counted name={words.pictures} before={before.considered_images} after={after.considered_images} shown={number} />
        <Counted name={words.size} before={before.size} after={after.size} shown={bytes} />
        <tr>
          <th scope="row">{words.made}</th>
          <td>{when(before.created_at)}</td>
          <td>{when(after.created_at)}</td>
          <td>–</td>
        </tr>
      </Table>
      {classes.length === 0 ? (
        <p class="quiet">{words.noClasses}</p>
      ) : (
        <Table caption={words.byClass} head={[words.class, ...columns]}>
          {classes.map((label) => (
            <Measured key={label} name={spoken(label)} before={precision(before, label)} after={precision(after, label)} />
          ))}
        </Table>
      )}
    </section>
  );
}

function classesOf({ metrics }: Model): ClassMetrics[] {
  return metrics.classes ?? [];
}

function precision(model: Model, label: string): number | null {
  return classesOf(model).find((one) => one.label === label)?.ap50 ?? null;
}

interface Values {
  name: string;
  before: number | null | undefined;
  after: number | null | undefined;
}

/** Parts of one; their difference is in points, with its sign. */
function Measured({ name, before = null, after = null }: Values) {
  const { models: words } = texts.value.control;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{percent(before)}</td>
      <td>{percent(after)}</td>
      <td>{before === null || after === null ? "–" : words.points(signed(100 * (after - before)))}</td>
    </tr>
  );
}

interface Counts {
  name: string;
  before: number;
  after: number;
  shown: (value: number) => string;
}

function Counted({ name, before, after, shown }: Counts) {
  const change = after - before;
  const sign = change > 0 ? "+" : change < 0 ? "−" : "±";
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{shown(before)}</td>
      <td>{shown(after)}</td>
      <td>{sign + shown(Math.abs(change))}</td>
    </tr>
  );
}

function signed(value: number): string {
  const sign = Math.abs(value) < 0.05 ? "±" : value > 0 ? "+" : "−";
  return sign + number(Math.abs(value), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}
