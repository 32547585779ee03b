/** What an operator decides about a city. */
import { useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdmin } from "../admin";
import type { City } from "../api";
import { texts } from "../language";
import { because, useDeed } from "./deed";
import { pathOf, possible, type Decision } from "./life";

interface Props {
  city: City;
  /** Whether a reason can be given. */
  hasReason?: boolean;
  done: () => void;
}

export function Decisions({ city, hasReason = false, done }: Props) {
  const { cities } = texts.value.control;
  const { isBusy, failure, attempt } = useDeed(city.state);
  const group = useRef<HTMLDivElement>(null);
  const why = useSignal("");
  const decide = (decision: Decision) =>
    attempt(async () => {
      await askAdmin(pathOf(city.slug, decision), because(why.value));
      why.value = "";
      // The button will be gone.
      group.current?.focus();
      done();
    });
  return (
    <div class="controls" ref={group} tabIndex={-1} role="group" aria-label={city.name}>
      {hasReason && (
        <label>
          {cities.why}
          <input maxLength={500} value={why.value} onInput={(event) => (why.value = event.currentTarget.value)} />
        </label>
      )}
      {possible(city.state).map((decision) => (
        <button
          key={decision}
          type="button"
          aria-label={`${cities.decisions[decision]}: ${city.name}`}
          disabled={isBusy}
          onClick={() => decide(decision)}
        >
          {cities.decisions[decision]}
        </button>
      ))}
      {failure !== null && <p role="alert" class="problem">{cities.refused}: {failure}</p>}
    </div>
  );
}
