/** What a visitor sees of giving pictures. */
import { useEffect } from "preact/hooks";
import { known } from "../cities";
import { language, texts } from "../language";
import * as donating from "./donating";

export function Donation() {
  const isTaken = known.value?.isOnline === true && known.value.features.cities;
  useEffect(() => {
    if (isTaken) void donating.load();
  }, [isTaken]);
  if (donating.shown.value === null) return null;
  return (
    <section class="donation">
      <Agreement consent={donating.shown.value} />
      {donating.failure.value !== null && <p role="alert" class="problem">{donating.failure.value}</p>}
      <Given />
    </section>
  );
}

function Agreement({ consent }: { consent: donating.Text & { language: string } }) {
  const { donation } = texts.value;
  return (
    <>
      <label class="check">
        <input
          type="checkbox"
          checked={donating.isAgreed.value}
          onChange={(event) => donating.agree(event.currentTarget.checked)}
        />
        {donation.agree}
      </label>
      <details open={donating.isAgreed.value}>
        <summary>{donation.what}</summary>
        <p lang={consent.language}>{consent.text}</p>
      </details>
      {donating.isAgreed.value && (
        <label class="check">
          <input
            type="checkbox"
            checked={donating.isRemembered.value}
            onChange={(event) => donating.remember(event.currentTarget.checked)}
          />
          {donation.remember}
        </label>
      )}
    </>
  );
}

/** Pictures that were given from this browser, each with the link that takes it back. */
function Given() {
  const { donation } = texts.value;
  const list = donating.donations.value;
  if (list.length === 0) return null;
  return (
    <>
      <h2>{donation.given}</h2>
      <ul role="status">
        {list.map((one) => (
          <li key={one.delete}>
            {one.name} ({new Date(one.at).toLocaleString(language.value)}){" "}
            <button type="button" class="link" onClick={() => void donating.takeBack(one)}>
              {donation.takeBack(one.name)}
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
