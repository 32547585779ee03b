/** Sights by their names and places: how far they are, and in which direction. */

/** A sight as the server tells it. */
export interface Sight {
  name: string;
  /** Degrees north and east, WGS 84. */
  latitude: number | null;
  longitude: number | null;
  /** Its item there, such as `Q82425`. */
  wikidata: string | null;
  /** Who told of it. */
  source: string | null;
}

/** A place on earth, in degrees. */
export interface Spot {
  latitude: number;
  longitude: number;
}

/** The mean one (IUGG), in metres. */
const EARTH_RADIUS = 6_371_008.8;
/** The compass has so many points here. */
const POINTS = 8;

/** A name without what people write differently: `BrandenburgerTor` is `Brandenburger Tor`. */
export function fold(name: string): string {
  return name.normalize("NFD").replace(/[^\p{L}\p{Nd}]/gu, "").toLowerCase();
}

/** Those of the sights that labels name, each once, in the order of their names. */
export function named(sights: readonly Sight[], labels: Iterable<string>): Sight[] {
  const wanted = new Set([...labels].map(fold));
  const found = new Map(sights.map((sight) => [fold(sight.name), sight]));
  const meant = [...found].flatMap(([name, sight]) => (wanted.has(name) ? [sight] : []));
  return meant.sort((one, other) => one.name.localeCompare(other.name));
}

/** Where a sight is; null where nobody knows. */
export function spotOf({ latitude, longitude }: Sight): Spot | null {
  return latitude === null || longitude === null ? null : { latitude, longitude };
}

/** Metres along a great circle, by the haversine formula. */
export function distance(from: Spot, to: Spot): number {
  const [north, east] = [radians(to.latitude - from.latitude), radians(to.longitude - from.longitude)];
  const across = Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude)) * Math.sin(east / 2) ** 2;
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(Math.sin(north / 2) ** 2 + across)));
}

/** Where a great circle sets out to, in degrees from north by east: 0 to 360. */
export function bearing(from: Spot, to: Spot): number {
  const [here, there] = [radians(from.latitude), radians(to.latitude)];
  const turn = radians(to.longitude - from.longitude);
  const east = Math.sin(turn) * Math.cos(there);
  const north = Math.cos(here) * Math.sin(there) - Math.sin(here) * Math.cos(there) * Math.cos(turn);
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/** The nearest point of the compass: 0 is north, 1 north-east, and so on. */
export function compassPoint(degrees: number): number {
  return Math.round((degrees * POINTS) / 360) % POINTS;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
