/** How a detector learns, epoch by epoch. */
import { texts } from "../language";
import { number } from "../numbers";
import { Chart } from "./chart";
import type { Epoch } from "./happenings";

/** The newest training of a city, as far as it was heard of. */
export function Training({ epochs }: { epochs: readonly Epoch[] }) {
  const { training: words } = texts.value.control;
  const newest = epochs.at(-1);
  return (
    <section>
      <h3>{words.title}</h3>
      {newest === undefined ? (
        <p class="quiet">{words.none}</p>
      ) : (
        <>
          <p>{words.newest(newest.epoch, number(newest.images_per_second, { maximumFractionDigits: 1 }))}</p>
          <Curves epochs={epochs} />
        </>
      )}
    </section>
  );
}

export function Curves({ epochs }: { epochs: readonly Epoch[] }) {
  const { training: words } = texts.value.control;
  const line = (name: string, value: (epoch: Epoch) => number | null) => ({ name, points: points(epochs, value) });
  return (
    <div class="charts">
      <Chart
        title={words.losses}
        x={words.epoch}
        y={words.loss}
        series={[
          line(words.box, ({ box_loss }) => box_loss),
          line(words.object, ({ object_loss }) => object_loss),
          line(words.class, ({ class_loss }) => class_loss),
        ]}
      />
      <Chart
        title={words.precision}
        x={words.epoch}
        y={words.map}
        series={[line("mAP@0.5", ({ map50 }) => map50), line("mAP@0.5:0.95", ({ map50_95 }) => map50_95)]}
        greatest={1}
      />
    </div>
  );
}

/** Epochs that were not measured are left out. */
function points(epochs: readonly Epoch[], value: (epoch: Epoch) => number | null): [number, number][] {
  return epochs.flatMap((epoch): [number, number][] => {
    const measured = value(epoch);
    return measured === null ? [] : [[epoch.epoch, measured]];
  });
}
