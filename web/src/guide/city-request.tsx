/** Asking for a city that is not there yet. */
import { useSignal } from "@preact/signals";
import { askJson, post, Refused, type CityDetails, type Place } from "../api";
import { choose, refresh } from "../cities";
import { texts } from "../language";
import { note, noteTrouble } from "../log";
import { told } from "../told";

type Answer =
  | { kind: "counted"; outcome: CityDetails }
  | { kind: "unknown" | "ambiguous"; nearest: readonly Nearest[] }
  | { kind: "failed"; why: string };

/** A place that may be meant. */
interface Nearest {
  place: number;
  label: string;
}

/** Suggestions come when nobody has typed for so long. */
const PAUSE_MS = 200;
/** What the log calls them. */
const PLACES = "places that may be meant";

export function CityRequest() {
  const { request } = texts.value;
  const name = useSignal("");
  const places = useSignal<readonly Place[]>([]);
  const answer = useSignal<Answer | null>(null);
  const timer = useSignal(0);
  const isSending = useSignal(false);

  const type = (text: string) => {
    name.value = text;
    clearTimeout(timer.value);
    timer.value = setTimeout(() => void offer(text), PAUSE_MS);
  };
  const offer = async (text: string) => {
    const found = await suggest(text);
    // Answers may overtake each other.
    if (name.value === text) places.value = found;
  };
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const text = name.value.trim();
    const place = places.value.find(({ label }) => label === text);
    await order(text, place?.id ?? null);
  };
  const order = async (text: string, place: number | null) => {
    isSending.value = true;
    answer.value = await ordered(text, place);
    isSending.value = false;
  };
  return (
    <section class="request">
      <h2>{request.title}</h2>
      <form onSubmit={(event) => void send(event)}>
        <label for="wanted">{request.label}</label>
        <input
          id="wanted"
          list="places"
          autocomplete="off"
          required
          maxLength={100}
          value={name.value}
          onInput={(event) => type(event.currentTarget.value)}
        />
        <datalist id="places">
          {places.value.map(({ id, label }) => <option key={id} value={label} />)}
        </datalist>
        <button type="submit" disabled={isSending.value}>{request.send}</button>
      </form>
      <div role="status">{answer.value !== null && <Told answer={answer.value} pick={order} />}</div>
    </section>
  );
}

function Told({ answer, pick }: { answer: Answer; pick: (name: string, place: number) => Promise<void> }) {
  const { request } = texts.value;
  if (answer.kind === "failed") return <p class="problem">{`${request.failed}: ${answer.why}`}</p>;
  if (answer.kind === "counted") {
    const { name, requests } = answer.outcome;
    return (
      <p>
        <strong>{request.confirmed}</strong> {request.counted(name, requests.requesters, requests.threshold)}
      </p>
    );
  }
  return (
    <div class="problem">
      {answer.kind === "unknown" && <p><strong>{request.unknown}</strong> {request.unknownHint}</p>}
      {answer.kind === "ambiguous" && <p><strong>{request.ambiguous}</strong></p>}
      {answer.nearest.length > 0 && (
        <p>
          {request.nearest}{" "}
          {answer.nearest.map(({ place, label }) => (
            <button key={place} type="button" class="link" onClick={() => void pick(label, place)}>{label}</button>
          ))}
        </p>
      )}
    </div>
  );
}

async function suggest(text: string): Promise<readonly Place[]> {
  if (text.trim().length < 2) return [];
  const path = `/v1/places?q=${encodeURIComponent(text.trim())}`;
  try {
    const found = await askJson<{ items: Place[] }>(path);
    noteTrouble(PLACES, null);
    return found.items;
  } catch (error) {
    // A city can be asked for without.
    noteTrouble(PLACES, String(error));
    return [];
  }
}

async function ordered(text: string, place: number | null): Promise<Answer> {
  try {
    const outcome = await askJson<CityDetails>("/v1/cities", post(place === null ? { name: text } : { place }));
    note(`asked for ${outcome.name}`);
    await refresh();
    choose(outcome.slug);
    return { kind: "counted", outcome };
  } catch (error) {
    note(`the request for ${text} was refused: ${String(error)}`, "warn");
    return refused(error);
  }
}

function refused(error: unknown): Answer {
  const why = told(error);
  if (!(error instanceof Refused)) return { kind: "failed", why };
  const nearest = (error.body as { nearest?: readonly Nearest[] }).nearest ?? [];
  if (error.slug === "unknown-place") return { kind: "unknown", nearest };
  if (error.slug === "ambiguous-place") return { kind: "ambiguous", nearest };
  return { kind: "failed", why };
}
