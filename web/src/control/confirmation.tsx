/** Asks once more before another model answers for a city. */
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdmin } from "../admin";
import { texts } from "../language";
import { because, useDeed } from "./deed";
import { pathOf } from "./life";
import { useFocusBack } from "./parts";

/** Which version becomes live, and how. */
export interface Change {
  kind: "promote" | "rollBack";
  version: number;
}

interface Props {
  slug: string;
  change: Change;
  question: string;
  close: () => void;
  done: () => void;
}

export function Confirmation({ slug, change, question, close, done }: Props) {
  const { control, cancel } = texts.value;
  const { isBusy, failure, attempt } = useDeed();
  const why = useSignal("");
  const first = useRef<HTMLInputElement>(null);
  useFocusBack();
  useEffect(() => first.current?.focus(), []);
  const path = change.kind === "promote" ? [change.version, "promote"] : ["rollback"];
  const confirm = () =>
    attempt(async () => {
      await askAdmin(pathOf(slug, "models", ...path), because(why.value));
      close();
      done();
    });
  return (
    <form
      class="card"
      aria-label={question}
      onSubmit={(event) => {
        event.preventDefault();
        confirm();
      }}
      onKeyDown={(event) => event.key === "Escape" && !isBusy && close()}
    >
      <p>{question}</p>
      <label for="why">{control.cities.why}</label>
      <input
        id="why"
        ref={first}
        maxLength={500}
        value={why.value}
        onInput={(event) => (why.value = event.currentTarget.value)}
      />
      {failure !== null && <p role="alert" class="problem">{control.cities.refused}: {failure}</p>}
      <div>
        <button type="submit" class="primary" disabled={isBusy}>{control.models.confirm}</button>
        <button type="button" disabled={isBusy} onClick={close}>{cancel}</button>
      </div>
    </form>
  );
}
