/** All cities, how far they are, and what is to be decided. */
import { useSignal } from "@preact/signals";
import { askAdminJson } from "../admin";
import { askAll, type City } from "../api";
import { CitySearch, isMeant } from "../city-search";
import { texts } from "../language";
import { href } from "../route";
import { useAsked } from "../asked";
import { Budget, sum, type Calls } from "./budget";
import { Decisions } from "./decisions";
import { isWorking } from "./life";
import { stageName, stateName } from "./states";
import { Moment } from "./parts";
import { Trouble } from "../trouble";
import { ago } from "../words";

const EVERY_MS = 3_000;

/** A city, with what may be spent on it. */
type Listed = City & { budget: Calls | null };

export function Cities() {
  const { cities: words } = texts.value.control;
  const wanted = useSignal("");
  const asked = useAsked(() => askAll<Listed>("/v1/cities?limit=500", undefined, askAdminJson), EVERY_MS);
  const cities = asked.value ?? [];
  const meant = cities.filter((city) => isMeant(city, wanted.value));
  const found = meant.sort((one, other) => one.name.localeCompare(other.name));
  return (
    <section>
      <h2>{words.title}</h2>
      <Trouble asked={asked} />
      <Spent budgets={cities.flatMap(({ budget }) => budget ?? [])} />
      <CitySearch label={texts.value.cities.search} cities={cities} wanted={wanted} />
      {asked.value !== null && found.length === 0 && (
        <p class="quiet" role="status">{cities.length === 0 ? words.empty : words.none}</p>
      )}
      <ul class="cards">
        {found.map((city) => <Row key={city.slug} city={city} changed={asked.again} />)}
      </ul>
    </section>
  );
}

/** What labelling has cost so far, over all cities. */
function Spent({ budgets }: { budgets: readonly Calls[] }) {
  const { ofAll } = texts.value.control.cities;
  if (budgets.length === 0) return null;
  return (
    <section aria-label={ofAll}>
      <Budget of={sum(budgets)} />
    </section>
  );
}

function Row({ city, changed }: { city: Listed; changed: () => void }) {
  return (
    <li class="card">
      <h3><a href={href("control", "city", city.slug)}>{city.name}</a></h3>
      <State city={city} />
      {isSpent(city) && <p class="problem">{texts.value.control.cities.spent}</p>}
      <Decisions city={city} done={changed} />
    </li>
  );
}

/** Whether no more of it is labelled, because nothing more may be spent. */
function isSpent({ budget }: Listed): boolean {
  return budget !== null && budget.calls > 0 && budget.calls >= budget.limit;
}

/** The state in words, since when, why, and how far. */
export function State({ city }: { city: City }) {
  const { cities: words } = texts.value.control;
  const isFailed = city.state === "failed";
  return (
    <>
      <p>
        <strong class={isFailed ? "problem" : ""}>{stateName(city.state)}</strong>{" "}
        <Moment at={city.since}>{words.since(ago(city.since))}</Moment>
      </p>
      {isFailed && city.failed_stage !== null && <p class="problem">{words.failed(stageName(city.failed_stage))}</p>}
      {city.reason !== null && <p class={isFailed ? "problem" : "quiet"}>{words.reason(city.reason)}</p>}
      {isWorking(city.state) && <Progress {...city.progress} />}
    </>
  );
}

export function Progress({ done, total, message }: City["progress"]) {
  const { cities } = texts.value;
  return (
    <label class="progress">
      {cities.progress(done, total, message)}
      <progress max={total ?? undefined} value={total === null ? undefined : done} />
    </label>
  );
}
