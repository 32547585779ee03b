/** A city: where it is, what it waits for, what was found, what was learnt. */
import { useEffect } from "preact/hooks";
import { askAdminJson } from "../admin";
import { texts } from "../language";
import { href } from "../route";
import { number } from "../numbers";
import { useAsked } from "../asked";
import { Budget } from "./budget";
import { State } from "./cities";
import { Crawl } from "./crawl";
import { Decisions } from "./decisions";
import { useHappenings, type Happenings, type Line } from "./happenings";
import { COUNTED, pathOf, reached, STAGES, type City as Detail, type Step } from "./life";
import { Models } from "./models";
import { stageName, stateName } from "./states";
import { Moment } from "./parts";
import { Table } from "../table";
import { Training } from "./training";
import { Trouble } from "../trouble";
import { ago, when } from "../words";

const EVERY_MS = 5_000;

export function City({ slug }: { slug: string }) {
  const { city: words } = texts.value.control;
  const { retry } = texts.value;
  const asked = useAsked(() => askAdminJson<Detail>(pathOf(slug)), EVERY_MS, slug);
  const happenings = useHappenings(slug);
  const city = asked.value;
  useEffect(() => {
    // What was asked for later than the change tells it already.
    if (city !== null && happenings.change > (city.history.at(-1)?.number ?? 0)) asked.again();
  }, [happenings.change]);
  return (
    <article class="city-page">
      <p><a href={href("control")}>{words.back}</a></p>
      <h2>{city?.name ?? slug}</h2>
      <Trouble asked={asked} />
      {happenings.isLost && (
        <p role="alert" class="problem">
          {words.lost} <button type="button" onClick={happenings.again}>{retry}</button>
        </p>
      )}
      {city !== null && (
        <>
          <Pipeline city={city} />
          <State city={moved(city, happenings)} />
          <Decisions city={city} hasReason={true} done={asked.again} />
          <Numbers city={city} />
          <Log lines={happenings.lines} />
          <History steps={city.history} />
          <Crawl slug={slug} />
          <Training epochs={happenings.epochs} />
          <Models slug={slug} name={city.name} change={happenings.change} />
        </>
      )}
    </article>
  );
}

/** With the progress that was heard last, which is newer than what was asked for. */
function moved(city: Detail, { progress }: Happenings): Detail {
  if (progress === null) return city;
  return { ...city, progress: { done: progress.done ?? 0, total: progress.total, message: progress.message } };
}

function Pipeline({ city }: { city: Detail }) {
  const { city: words, cities } = texts.value.control;
  const here = STAGES.indexOf(reached(city));
  return (
    <ol class="pipeline" aria-label={words.pipeline}>
      {STAGES.map((stage, index) => {
        const isHere = index === here;
        const isPassed = index < here || (isHere && city.state === "live");
        return (
          <li key={stage} class={isPassed ? "passed" : ""} {...(isHere ? { "aria-current": "step" as const } : {})}>
            <span aria-hidden="true">{isPassed ? "✓" : isHere ? "●" : "○"}</span> {cities.states[stage]}
            {isHere && city.state !== stage && <strong>: {stateName(city.state)}</strong>}
            {isPassed && <span class="sr"> ({words.passed})</span>}
          </li>
        );
      })}
    </ol>
  );
}

function Numbers({ city }: { city: Detail }) {
  const { city: words } = texts.value.control;
  const { requests, counts, budget } = city;
  return (
    <section>
      <h3>{words.numbers}</h3>
      <label class="progress">
        {words.requests(requests.requesters, requests.threshold, requests.posts)}
        <progress max={requests.threshold} value={requests.requesters} />
      </label>
      {budget !== null && <Budget of={budget} />}
      {counts === null ? (
        <p class="quiet">{words.uncounted}</p>
      ) : (
        <>
          <dl class="figures">
            {COUNTED.map((what) => (
              <div key={what}>
                <dt>{words.counted[what]}</dt>
                <dd>{number(counts[what])}</dd>
              </div>
            ))}
          </dl>
          <p class="quiet">{words.refreshed(ago(counts.refreshed_at))}</p>
        </>
      )}
    </section>
  );
}

/** The newest first. */
function Log({ lines }: { lines: readonly Line[] }) {
  const { city: words, chart } = texts.value.control;
  return (
    <section>
      <h3>{words.log}</h3>
      {lines.length === 0 ? (
        <p class="quiet">{chart.empty}</p>
      ) : (
        <div class="log" role="region" aria-label={words.log} tabIndex={0}>
          <ul>
            {lines.map((line) => (
              <li key={line.number}>
                <Moment at={line.at}>{when(line.at)}</Moment> {said(line)}
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

function said({ state, stage, done, total, message }: Line): string {
  const { cities } = texts.value;
  const what = done === null ? message : cities.progress(done, total, message);
  const about = state !== null ? stateName(state) : stage !== null ? stageName(stage) : "";
  return [about, what].filter(Boolean).join(": ");
}

function History({ steps }: { steps: readonly Step[] }) {
  const { city: words } = texts.value.control;
  return (
    <Table caption={words.history} head={words.ofStep}>
      {[...steps].reverse().map(({ number, at, actor, from, to, message }) => (
        <tr key={number}>
          <td>{when(at)}</td>
          <td>{stateName(from)} → {stateName(to)}</td>
          <td>{actor}</td>
          <td>{message ?? "–"}</td>
        </tr>
      ))}
    </Table>
  );
}
