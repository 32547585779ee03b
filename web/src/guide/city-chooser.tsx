/** Choosing a city, and how far it is. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askJson, type City, type CityDetails } from "../api";
import { choose, chosen, city, known, modelOf, type Known } from "../cities";
import { CitySearch, isMeant } from "../city-search";
import { texts } from "../language";
import { isOther } from "../place";
import { find } from "../store";

export function CityChooser() {
  const { cities: words } = texts.value;
  const wanted = useSignal("");
  const list = known.value;
  const all = list?.cities ?? [];
  const found = all.filter((one) => one.slug === chosen.value || isMeant(one, wanted.value));
  return (
    <section class="city" aria-busy={list === null}>
      <div class="head">
        <label for="city">{words.label}</label>
        <CitySearch label={words.search} cities={all} wanted={wanted} />
      </div>
      {list === null ? <Awaited /> : <Choice found={found} />}
      {found.length === 0 && all.length > 0 && <p class="city-state" role="status">{words.none}</p>}
      {list !== null && <ListState list={list} />}
      {city.value !== null && <CityState city={city.value} />}
    </section>
  );
}

/** Takes the place of the list until it comes: nothing moves then. */
function Awaited() {
  return (
    <select id="city" disabled>
      <option>{texts.value.loading}</option>
    </select>
  );
}

function Choice({ found }: { found: readonly City[] }) {
  return (
    <select
      id="city"
      value={chosen.value ?? ""}
      onChange={(event) => choose(event.currentTarget.value || null)}
    >
      <option value="">{texts.value.cities.choose}</option>
      {found.map((one) => <CityOption key={one.slug} city={one} />)}
    </select>
  );
}

function ListState({ list: { isOnline, isNonsense, cities } }: { list: Known }) {
  const { cities: words } = texts.value;
  if (isNonsense) return <p class="problem" role="status">{words.nonsense}</p>;
  if (!isOnline) return <p class="city-state" role="status">{words.offline}</p>;
  return cities.length === 0 ? <p class="city-state">{words.empty}</p> : null;
}

function CityOption({ city }: { city: City }) {
  const state = stateOf(city);
  return <option value={city.slug}>{state === null ? city.name : `${city.name} (${state})`}</option>;
}

/** What keeps a city from being detected, or better than it is; null where it is at its best. */
function stateOf({ slug, state }: City): string | null {
  const { cities: words } = texts.value;
  const [offered, kept, isOnline] = [modelOf(slug), find(slug), known.value?.isOnline];
  if (kept) return isOnline && offered && isOther(offered, kept.model) ? words.update : null;
  if (!isOnline) return words.unreachable;
  if (offered) return null;
  return state === "live" ? words.noModel : words.states[state];
}

function CityState({ city }: { city: City }) {
  const { cities: words } = texts.value;
  // What can be done with its model is told below.
  if (modelOf(city.slug) || find(city.slug)) return null;
  const { done, total, message } = city.progress;
  const state = city.state === "live" ? words.noModel : words.states[city.state];
  const isWorking = ["crawling", "labelling", "training"].includes(city.state);
  return (
    <div class="city-state" role="status">
      <p>{words.notYet(city.name, state)}</p>
      {city.state === "requested" && <Wishes city={city} />}
      {city.reason !== null && <p class="problem">{city.reason}</p>}
      {isWorking && (
        <label>
          {words.progress(done, total, message)}
          <progress max={total ?? undefined} value={total === null ? undefined : done} />
        </label>
      )}
    </div>
  );
}

/** How many have asked for it, and how many must. */
function Wishes({ city }: { city: City }) {
  const details = useSignal<CityDetails | null>(null);
  useEffect(() => {
    const path = `/v1/cities/${encodeURIComponent(city.slug)}`;
    // The list is asked for again and again, and this with it.
    void askJson<CityDetails | null>(path).then((found) => (details.value = found), () => {});
  }, [city]);
  const { slug, requests } = details.value ?? {};
  if (slug !== city.slug || typeof requests?.threshold !== "number") return null;
  const { requesters, threshold } = requests;
  return <p>{texts.value.request.counted(city.name, requesters, threshold)}</p>;
}
