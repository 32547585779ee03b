/** The sights that were found: what they are, how far, and in which direction. */
import { chosen } from "../cities";
import { texts } from "../language";
import { spoken } from "../names";
import { metres } from "../numbers";
import { sightsOf } from "./atlas";
import { labels } from "./looking";
import { bearing, compassPoint, distance, named, spotOf, type Sight } from "./sights";
import { isAsking, locate, spot, trouble } from "./whereabouts";

/** Whose data says so, and under which terms. */
const TERMS = {
  wikidata: "https://creativecommons.org/publicdomain/zero/1.0/",
  openstreetmap: "https://www.openstreetmap.org/copyright",
} as const;

type Source = keyof typeof TERMS;

export function SightList() {
  const { sights: words } = texts.value;
  const found = named(sightsOf(chosen.value), labels.value).filter((one) => one.wikidata !== null || spotOf(one) !== null);
  if (found.length === 0) return null;
  return (
    <section class="sights" aria-labelledby="sights">
      <h2 id="sights">{words.title}</h2>
      <ul aria-live="polite">{found.map((one) => <Item key={one.name} sight={one} />)}</ul>
      {found.some(spotOf) && <Asking />}
      <Attribution found={found} />
    </section>
  );
}

function Item({ sight }: { sight: Sight }) {
  const name = spoken(sight.name);
  const address = addressOf(sight);
  return (
    <li>
      {address === null ? name : <Elsewhere address={address} text={name} />}{" "}
      <Way sight={sight} />
    </li>
  );
}

/** What tells more about it: its item, else its place on the map. */
function addressOf(sight: Sight): string | null {
  if (sight.wikidata !== null) return `https://www.wikidata.org/wiki/${sight.wikidata}`;
  const spot = spotOf(sight);
  if (spot === null) return null;
  const { latitude, longitude } = spot;
  return `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=18/${latitude}/${longitude}`;
}

function Elsewhere({ address, text }: { address: string; text: string }) {
  return <a href={address} target="_blank" rel="noreferrer noopener">{text}</a>;
}

function Way({ sight }: { sight: Sight }) {
  const { sights: words } = texts.value;
  const [from, to] = [spot.value, spotOf(sight)];
  if (from === null || to === null) return null;
  const direction = words.directions[compassPoint(bearing(from, to))]!;
  return <span class="quiet">{words.away(metres(distance(from, to)), direction)}</span>;
}

function Asking() {
  const { sights: words } = texts.value;
  return (
    <div class="controls">
      <button type="button" disabled={isAsking.value} onClick={() => void locate()}>
        {isAsking.value ? words.asking : words.ask}
      </button>
      {trouble.value !== null && <p role="alert" class="problem">{words.troubles[trouble.value]}</p>}
    </div>
  );
}

function Attribution({ found }: { found: readonly Sight[] }) {
  const { sights: words } = texts.value;
  const sources = (Object.keys(TERMS) as Source[]).filter((source) => found.some((one) => one.source === source));
  return (
    <>
      {sources.map((source) => (
        <p key={source} class="quiet">
          <Elsewhere address={TERMS[source]} text={words.attribution[source]} />
        </p>
      ))}
    </>
  );
}
