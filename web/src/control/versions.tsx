/** How a version of a model was made, and what it can. */
import { askAdminJson } from "../admin";
import { texts } from "../language";
import { spoken } from "../names";
import { number } from "../numbers";
import { useAsked } from "../asked";
import { pathOf } from "./life";
import type { ClassMetrics, ModelDetail } from "./model";
import { useFocusBack } from "./parts";
import { Sheet } from "./sheet";
import { Table } from "../table";
import { Curves } from "./training";
import { Trouble } from "../trouble";
import { percent } from "../words";

interface Props {
  slug: string;
  version: number;
  close: () => void;
}

export function Version({ slug, version, close }: Props) {
  const { control, close: label } = texts.value;
  const asked = useAsked(() => askAdminJson<ModelDetail>(pathOf(slug, "models", version)), undefined, version);
  const model = asked.value;
  useFocusBack();
  return (
    <section class="card">
      <h4>{control.models.version(version)}</h4>
      <Trouble asked={asked} />
      {model !== null && (
        <>
          <Facts model={model} />
          <p>
            <a href={pathOf(slug, "models", version, "file")} download={`${slug}-${version}.onnx`}>{control.models.download}</a>
          </p>
          {model.metrics.classes && <Classes classes={model.metrics.classes} />}
          {model.history.length > 0 && <Curves epochs={model.history} />}
          {model.sheet.length > 0 && <Sheet items={model.sheet} />}
        </>
      )}
      <button type="button" onClick={close}>{label}</button>
    </section>
  );
}

function Facts({ model: { metrics } }: { model: ModelDetail }) {
  const { models: words } = texts.value.control;
  const { verdict, training, best_epoch, images, instances, live } = metrics;
  if (training === undefined) return <p class="quiet">{words.imported}</p>;
  const base = [training.base, training.base_licence].filter(Boolean).join(", ");
  const facts: [string, string | null][] = [
    [words.verdict, verdict ?? null],
    [words.base, base || null],
    [words.epochs, training.epochs === null ? null : words.ofEpochs(training.epochs, best_epoch ?? null)],
    [words.seed, training.seed === null ? null : String(training.seed)],
    [words.tested, images === undefined ? null : words.onPictures(number(images), number(instances ?? 0))],
    [words.against, live ? words.liveThen(live.version, percent(live.map50), percent(live.map50_95)) : null],
  ];
  return (
    <dl class="figures">
      {facts.map(([name, value]) => value !== null && <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

function Classes({ classes }: { classes: ClassMetrics[] }) {
  const { models: words } = texts.value.control;
  return (
    <Table caption={words.byClass} head={words.ofClass}>
      {classes.map(({ label, instances, precision, recall, ap50, ap50_95 }) => (
        <tr key={label}>
          <th scope="row">{spoken(label)}</th>
          <td>{number(instances)}</td>
          <td>{percent(precision)}</td>
          <td>{percent(recall)}</td>
          <td>{percent(ap50)}</td>
          <td>{percent(ap50_95)}</td>
        </tr>
      ))}
    </Table>
  );
}
