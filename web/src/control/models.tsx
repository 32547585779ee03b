/** The versions of a city's model, and which of them answers. */
import { useEffect } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { askAdminJson } from "../admin";
import { askAll, type Page } from "../api";
import { texts } from "../language";
import { bytes, number } from "../numbers";
import { useAsked } from "../asked";
import { Compared } from "./compared";
import { Confirmation, type Change } from "./confirmation";
import { pathOf } from "./life";
import { versionBefore, type Entry, type Model } from "./model";
import { modelAction, modelState } from "./states";
import { Table } from "../table";
import { Trouble } from "../trouble";
import { Version } from "./versions";
import { percent, when } from "../words";

const EVERY_MS = 10_000;
/** So many lines of the ledger are shown. */
const LEDGER = 500;

interface Known {
  models: Model[];
  ledger: Entry[];
}

async function known(slug: string): Promise<Known> {
  const [models, ledger] = await Promise.all([
    askAll<Model>(`${pathOf(slug, "models")}?limit=100`),
    askAdminJson<Page<Entry>>(`${pathOf(slug, "models", "history")}?limit=${LEDGER}`),
  ]);
  return { models, ledger: ledger.items };
}

interface Props {
  slug: string;
  name: string;
  /** The number of the city's newest change of state, which may be about a model. */
  change: number;
}

export function Models({ slug, name, change: newest }: Props) {
  const { models: words } = texts.value.control;
  const asked = useAsked(() => known(slug), EVERY_MS, slug);
  useEffect(() => {
    if (newest > 0) asked.again();
  }, [newest]);
  const change = useSignal<Change | null>(null);
  const shown = useSignal<number | null>(null);
  const chosen = useSignal<readonly number[]>([]);
  const { models, ledger } = asked.value ?? { models: [], ledger: [] };
  const live = models.find(({ state }) => state === "live")?.version;
  const before = versionBefore(ledger, live);
  useEffect(() => {
    // Somebody else has decided: what was asked is not what would happen.
    if (change.value?.kind === "rollBack" && change.value.version !== before) change.value = null;
  }, [before]);
  const [other, one] = models.filter(({ version }) => chosen.value.includes(version));
  return (
    <section>
      <h3>{words.title}</h3>
      <Trouble asked={asked} />
      {asked.value !== null && models.length === 0 && <p class="quiet">{words.none}</p>}
      {models.length > 0 && <Versions models={models} chosen={chosen} shown={shown} change={change} />}
      {before !== null && (
        <div class="controls">
          <button type="button" onClick={() => (change.value = { kind: "rollBack", version: before })}>
            {words.rollBack(before)}
          </button>
        </div>
      )}
      {change.value !== null && (
        <Confirmation
          key={`${change.value.kind} ${change.value.version}`}
          slug={slug}
          change={change.value}
          question={words.question(name, change.value.version, live ?? null)}
          close={() => (change.value = null)}
          done={asked.again}
        />
      )}
      {models.length > 1 && <p class="quiet" role="status">{words.choose(chosen.value.length)}</p>}
      {one !== undefined && other !== undefined && <Compared before={one} after={other} />}
      {shown.value !== null && (
        <Version key={shown.value} slug={slug} version={shown.value} close={() => (shown.value = null)} />
      )}
      {ledger.length > 0 && <Ledger entries={ledger} />}
    </section>
  );
}

interface VersionsProps {
  models: readonly Model[];
  chosen: Signal<readonly number[]>;
  shown: Signal<number | null>;
  change: Signal<Change | null>;
}

function Versions({ models, chosen, shown, change }: VersionsProps) {
  const { models: words } = texts.value.control;
  // Of three the one that was chosen first is let go.
  const choose = (version: number, isChosen: boolean) => {
    const others = chosen.value.filter((one) => one !== version);
    chosen.value = isChosen ? [...others.slice(-1), version] : others;
  };
  return (
    <Table caption={words.versions} head={words.ofVersion}>
      {models.map(({ version, state, metrics, considered_images, size, created_at, tainted_at, taint }) => (
        <tr key={version}>
          <th scope="row">{version}</th>
          <td>{modelState(state)}</td>
          <td>{percent(metrics.map50 ?? null)}</td>
          <td>{percent(metrics.map50_95 ?? null)}</td>
          <td>{number(considered_images)}</td>
          <td>{bytes(size)}</td>
          <td>{when(created_at)}</td>
          <td>{tainted_at === null ? "–" : <span class="problem">{when(tainted_at)}: {taint}</span>}</td>
          <td>
            <div class="actions">
              <label class="check">
                <input
                  type="checkbox"
                  aria-label={words.compareVersion(version)}
                  checked={chosen.value.includes(version)}
                  onChange={(event) => choose(version, event.currentTarget.checked)}
                />
                {words.compare}
              </label>
              <button
                type="button"
                aria-label={words.detailsOf(version)}
                aria-expanded={shown.value === version}
                onClick={() => (shown.value = shown.value === version ? null : version)}
              >
                {words.details}
              </button>
              {state !== "live" && (
                <button
                  type="button"
                  aria-label={words.promoteVersion(version)}
                  onClick={() => (change.value = { kind: "promote", version })}
                >
                  {words.promote}
                </button>
              )}
            </div>
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Ledger({ entries }: { entries: readonly Entry[] }) {
  const { models: words } = texts.value.control;
  return (
    <Table caption={words.ledger} head={words.ofEntry}>
      {entries.map(({ number, at, action, version, replaced, actor, why }) => (
        <tr key={number}>
          <td>{when(at)}</td>
          <td>{modelAction(action)}</td>
          <td>{version}</td>
          <td>{replaced ?? "–"}</td>
          <td>{actor}</td>
          <td>{why || "–"}</td>
        </tr>
      ))}
    </Table>
  );
}
