/** What was asked for and is not there: it has not come yet, or did not arrive. */
import { texts } from "./language";
import type { Asked } from "./asked";

export function Trouble<T>({ asked: { value, failure, again } }: { asked: Asked<T> }) {
  if (value === null && failure === null) return <p class="quiet">{texts.value.loading}</p>;
  return <Failed failure={failure} again={again} />;
}

/** That no newer answer came; what was known stays beside it. */
export function Failed({ failure, again }: { failure: string | null; again: () => void }) {
  const { control, retry } = texts.value;
  if (failure === null) return null;
  return (
    <p role="alert" class="problem">
      {control.asked}: {failure} <button type="button" onClick={again}>{retry}</button>
    </p>
  );
}
