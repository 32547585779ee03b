/** Work of the stages: what waits, runs and was given up. */
import { useSignal } from "@preact/signals";
import { askAdmin, askAdminJson } from "../admin";
import type { Page } from "../api";
import { cityName, known } from "../cities";
import { texts } from "../language";
import { number } from "../numbers";
import { href } from "../route";
import { useAsked } from "../asked";
import { useDeed } from "./deed";
import { QUEUES, STATES, type Job, type JobState } from "./job";
import { Moment, Sure } from "./parts";
import { askBacklog, dead, Queues, type Backlog } from "./queues";
import { queueName } from "./states";
import { Table } from "../table";
import { Trouble } from "../trouble";
import { ago } from "../words";

const EVERY_MS = 3_000;

/** Which jobs are shown; empty is all. */
interface Filter {
  state: JobState | "";
  queue: string;
  city: string;
}

export function Jobs() {
  const { jobs, more } = texts.value.control;
  const filter = useSignal<Filter>({ state: "", queue: "", city: "" });
  const pages = useSignal(1);
  const path = address(filter.value);
  const list = useAsked(() => listed(path, pages.value), EVERY_MS, path);
  const backlog = useAsked(askBacklog, EVERY_MS);
  const choose = (wished: Partial<Filter>) => {
    pages.value = 1;
    filter.value = { ...filter.value, ...wished };
  };
  const changed = () => {
    list.again();
    backlog.again();
  };
  const further = () => {
    pages.value += 1;
    list.again();
  };
  return (
    <>
      {backlog.value !== null && <Queues backlog={backlog.value} />}
      <Filters filter={filter.value} choose={choose} backlog={backlog.value} />
      <Trouble asked={{ ...list, failure: list.failure ?? backlog.failure, again: changed }} />
      {list.value?.items.length === 0 && <p role="status">{jobs.none}</p>}
      {list.value && list.value.items.length > 0 && <List jobs={list.value.items} changed={changed} />}
      {list.value && list.value.next !== null && <button type="button" onClick={further}>{more}</button>}
    </>
  );
}

function address(filter: Filter): string {
  const wished = Object.entries(filter).filter(([, value]) => value !== "");
  return `/v1/jobs?${new URLSearchParams(wished)}`;
}

/** The first so many pages as one. */
async function listed(path: string, pages: number): Promise<Page<Job>> {
  const list: Page<Job> = { items: [], next: null };
  for (let count = 0; count < pages; count += 1) {
    const cursor = list.next === null ? "" : `&cursor=${encodeURIComponent(list.next)}`;
    const page = await askAdminJson<Page<Job>>(path + cursor);
    list.items.push(...page.items);
    list.next = page.next;
    if (page.next === null) break;
  }
  return list;
}

interface FiltersProps {
  filter: Filter;
  choose: (wished: Partial<Filter>) => void;
  backlog: Backlog | null;
}

function Filters({ filter, choose, backlog }: FiltersProps) {
  const { jobs } = texts.value.control;
  const isDead = filter.state === "dead";
  return (
    <div class="filters">
      <label>
        {jobs.state}
        <select value={filter.state} onChange={(event) => choose({ state: event.currentTarget.value as JobState | "" })}>
          <option value="">{jobs.all}</option>
          {STATES.map((state) => <option key={state} value={state}>{jobs.states[state]}</option>)}
        </select>
      </label>
      <label>
        {jobs.queue}
        <select value={filter.queue} onChange={(event) => choose({ queue: event.currentTarget.value })}>
          <option value="">{jobs.all}</option>
          {QUEUES.map((queue) => <option key={queue} value={queue}>{jobs.queues[queue]}</option>)}
        </select>
      </label>
      <label>
        {texts.value.cities.label}
        <select value={filter.city} onChange={(event) => choose({ city: event.currentTarget.value })}>
          <option value="">{jobs.all}</option>
          {known.value?.cities.map(({ slug, name }) => <option key={slug} value={slug}>{name}</option>)}
        </select>
      </label>
      <button type="button" aria-pressed={isDead} onClick={() => choose({ state: isDead ? "" : "dead" })}>
        {jobs.dead(backlog === null ? "…" : number(dead(backlog)))}
      </button>
    </div>
  );
}

function List({ jobs, changed }: { jobs: Job[]; changed: () => void }) {
  const { jobs: words } = texts.value.control;
  return (
    <Table caption={words.title} head={[words.job, words.state, words.progress, words.times, words.actions]}>
      {jobs.map((job) => <Row key={job.id} job={job} changed={changed} />)}
    </Table>
  );
}

function Row({ job, changed }: { job: Job; changed: () => void }) {
  const { jobs } = texts.value.control;
  const isFailure = job.state === "dead" || job.state === "waiting";
  return (
    <tr>
      <th scope="row">
        {job.name}
        <div class="quiet">{queueName(job.queue)}</div>
        {job.city_slug !== null && <a href={href("control", "city", job.city_slug)}>{cityName(job.city_slug)}</a>}
      </th>
      <td>
        {job.cancel_requested && job.state === "running" ? jobs.cancelling : jobs.states[job.state]}
        {job.reason !== null && <div class={isFailure ? "reason problem" : "reason"}>{job.reason}</div>}
        <div class="quiet">{jobs.attempts(job.attempts, job.max_attempts)}</div>
        {job.worker !== null && <div class="quiet">{jobs.worker(job.worker)}</div>}
      </td>
      <td><How job={job} /></td>
      <td><Times job={job} /></td>
      <td><Actions job={job} changed={changed} /></td>
    </tr>
  );
}

/** How far it is; only what runs has a bar. */
function How({ job }: { job: Job }) {
  const { done, total, message } = job.progress;
  const isKnown = done > 0 || total !== null || message !== null;
  const words = isKnown ? texts.value.cities.progress(done, total, message) : "";
  if (job.state !== "running") return <span class="quiet">{words}</span>;
  return (
    <label class="how">
      {words || texts.value.control.jobs.states.running}
      <progress max={total ?? undefined} value={total === null ? undefined : done} />
    </label>
  );
}

function Times({ job }: { job: Job }) {
  const { jobs } = texts.value.control;
  const { created_at, started_at, finished_at, run_at, state } = job;
  const isLater = state === "waiting" && run_at !== null && run_at > Date.now();
  return (
    <ul class="times">
      <li><Moment at={created_at}>{jobs.created(ago(created_at))}</Moment></li>
      {started_at !== null && <li><Moment at={started_at}>{jobs.started(ago(started_at))}</Moment></li>}
      {finished_at !== null && <li><Moment at={finished_at}>{jobs.finished(ago(finished_at))}</Moment></li>}
      {isLater && <li><Moment at={run_at}>{jobs.notBefore(ago(run_at))}</Moment></li>}
    </ul>
  );
}

function Actions({ job, changed }: { job: Job; changed: () => void }) {
  const { jobs } = texts.value.control;
  const { isBusy, failure, attempt } = useDeed();
  const act = (action: "cancel" | "retry") =>
    attempt(() => askAdmin(`/v1/jobs/${job.id}/${action}`, { method: "POST" }).then(changed));
  const isLive = job.state === "waiting" || job.state === "running";
  const isRetryable = job.state === "dead" || job.state === "cancelled";
  return (
    <>
      {isLive && !job.cancel_requested && (
        <Sure
          label={jobs.cancel}
          question={jobs.reallyCancel}
          yes={jobs.yesCancel}
          isDisabled={isBusy}
          act={() => act("cancel")}
        />
      )}
      {isRetryable && <button type="button" disabled={isBusy} onClick={() => act("retry")}>{jobs.retry}</button>}
      {failure !== null && <p role="alert" class="problem">{failure}</p>}
    </>
  );
}
