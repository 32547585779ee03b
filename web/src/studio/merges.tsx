/** Which names are read as others. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdminJson } from "../admin";
import { post } from "../api";
import { told } from "../told";
import { texts } from "../language";
import { reviewer } from "./session";

interface Merge {
  label: string;
  canonical: string;
  reason: string;
  undone: boolean;
}

interface Answer {
  items: Merge[];
}

export function Merges({ city }: { city: string }) {
  const { studio } = texts.value;
  const merges = useSignal<readonly Merge[]>([]);
  const failure = useSignal<string | null>(null);
  const take = (asking: Promise<Answer>) =>
    asking.then(
      ({ items }) => {
        // A sight under its own name is no merge.
        merges.value = items.filter(({ label, canonical, undone }) => !undone && label !== canonical);
        failure.value = null;
      },
      (error: unknown) => (failure.value = told(error)),
    );
  useEffect(() => void take(askAdminJson(`/v1/label/merges?city=${encodeURIComponent(city)}`)), [city]);
  const part = ({ label, canonical }: Merge) => {
    const said = { city, label, canonical, reviewer: reviewer.value };
    return take(askAdminJson("/v1/label/merges/undo", post(said)));
  };
  return (
    <details>
      <summary>{studio.merges}</summary>
      {failure.value !== null && <p role="alert" class="problem">{failure.value}</p>}
      {merges.value.length === 0 && <p class="quiet">{studio.noMerges}</p>}
      <ul>
        {merges.value.map((merge) => (
          <li key={`${merge.label}\n${merge.canonical}`}>
            {studio.merged(merge.label, merge.canonical)} <span class="quiet">{merge.reason}</span>{" "}
            <button type="button" class="link" onClick={() => void part(merge)}>{studio.part}</button>
          </li>
        ))}
      </ul>
    </details>
  );
}
