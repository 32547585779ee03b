/** The cities: those that the server has, how far each is, and which of them can be detected now. */
import { computed, signal } from "@preact/signals";
import { askAll, askJson, features, isCity, isModel, items, Nonsense, type City, type Features, type Model } from "./api";
import { noteTrouble } from "./log";
import { stored } from "./store";

/** A new city is there within half a minute. */
const EVERY_MS = 15_000;

export interface Known {
  /** The server answered last time. Without an answer the list is the one before. */
  isOnline: boolean;
  /** It answered, and what it said made no sense. */
  isNonsense: boolean;
  features: Features;
  cities: readonly City[];
  models: readonly Model[];
}

const ONLINE = { isOnline: true, isNonsense: false };
const NONE: Features = { cities: false, rooms: false };

/** Null before the first answer. */
export const known = signal<Known | null>(null);
export const chosen = signal<string | null>(localStorage.getItem("city"));

export const city = computed(() => known.value?.cities.find(({ slug }) => slug === chosen.value) ?? null);

/** A city as people write it, where it is known. */
export function cityName(slug: string): string {
  return known.value?.cities.find((one) => one.slug === slug)?.name ?? slug;
}

/** The model that answers for a city; none where it has none yet. */
export function modelOf(slug: string | null): Model | null {
  return known.value?.models.find(({ name }) => name === slug) ?? null;
}

export function choose(slug: string | null): void {
  chosen.value = slug;
  if (slug === null) localStorage.removeItem("city");
  else localStorage.setItem("city", slug);
}

/** Cities of the server. A `serve` has none of its own, and its models are listed with those of the server that it follows. */
async function cities(has: Features, models: readonly Model[]): Promise<City[]> {
  const listed = has.cities ? await askCities(has.rooms) : [];
  const others = has.rooms ? [] : models.filter(({ name }) => !listed.some(({ slug }) => slug === name));
  return [...listed, ...others.map(asCity)].sort((one, other) => one.name.localeCompare(other.name));
}

/** Cities that are another server's are missed where that one is away: it is not needed to detect. */
async function askCities(areOwn: boolean): Promise<City[]> {
  const about = "cities of the server that is followed";
  try {
    const listed = await askAll("/v1/cities?limit=500", isCity);
    noteTrouble(about, null);
    return listed;
  } catch (error) {
    if (areOwn) throw error;
    noteTrouble(about, String(error));
    return known.value?.cities.filter(({ slug }) => modelOf(slug) !== null) ?? [];
  }
}

/** A model that belongs to no city here is called like one: `new-york` is `New York`. */
function titled(name: string): string {
  const words = name.split(/[-_ ]+/).filter(Boolean);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}

function asCity({ name: slug }: Model): City {
  const name = titled(slug);
  const progress = { done: 0, total: null, message: null };
  return { slug, name, state: "live", since: 0, failed_stage: null, reason: null, progress };
}

/** What can be listed without a server. */
function onDevice(): City[] {
  return stored.value.map(({ city, name, model }) => ({ ...asCity(model), slug: city, name }));
}

let asked = 0;
/** Which time of asking has told what is known. */
let heard = 0;

/** Answers overtake each other: what was asked for earlier than what is known is not told any more. */
function tell(turn: number, told: Known, trouble: string | null = null): void {
  if (turn < heard) return;
  heard = turn;
  known.value = told;
  noteTrouble("server", trouble);
}

export async function refresh(): Promise<void> {
  const turn = (asked += 1);
  try {
    const models = items("/v1/models", await askJson("/v1/models"), isModel);
    const has = await features();
    // Who follows another server does not wait for it.
    if (known.value === null && !has.rooms) tell(turn, { ...ONLINE, features: has, cities: models.map(asCity), models });
    tell(turn, { ...ONLINE, features: has, cities: await cities(has, models), models });
  } catch (error) {
    const isNonsense = error instanceof Nonsense;
    const before = { features: NONE, cities: onDevice(), models: [], ...known.value };
    tell(turn, { ...before, isOnline: false, isNonsense }, String(error));
  }
}

/** Keeps the list fresh while the page is looked at. */
export function keepFresh(): void {
  const look = () => {
    if (document.visibilityState === "visible") void refresh();
  };
  look();
  setInterval(look, EVERY_MS);
  addEventListener("visibilitychange", look);
  addEventListener("online", look);
}
