/** Pools of workers: what waits for them, and what they do. */
import { askAdminJson } from "../admin";
import { texts } from "../language";
import { number } from "../numbers";
import { useAsked } from "../asked";
import { Chart, type Series } from "./chart";
import { Trouble } from "../trouble";
import { DOINGS, Workers, type Doing, type Work, type Worker } from "./workers";
import { duration } from "../words";

const EVERY_MS = 2_000;
/** As often as the server remembers it. */
const HISTORY_MS = 5_000;

interface Pool {
  name: string;
  queue: string;
  max: number;
  waiting: number;
  in_flight: number;
  dead: number;
  workers: Worker[];
  failure: string | null;
}

interface Fleet {
  pools: Pool[];
  input_objects: number;
  output_objects: number;
}

/** What was seen of a pool at one time. */
type Seen = { name: string } & Record<"waiting" | "in_flight" | "dead" | Doing, number>;

interface History {
  samples: { at: number; pools: Seen[] }[];
}

export function Pools() {
  const { pools } = texts.value.control;
  const fleet = useAsked(() => askAdminJson<Fleet>("/v1/pools"), EVERY_MS);
  const history = useAsked(() => askAdminJson<History>("/v1/pools/history"), HISTORY_MS);
  return (
    <>
      <Trouble asked={fleet} />
      {fleet.failure === null && history.failure !== null && <Trouble asked={history} />}
      {fleet.value?.pools.length === 0 && <None />}
      {fleet.value?.pools.map((pool) => <PoolCard key={pool.name} pool={pool} history={history.value} />)}
      {fleet.value !== null && (
        <p class="quiet">{pools.objects(number(fleet.value.input_objects), number(fleet.value.output_objects))}</p>
      )}
    </>
  );
}

function None() {
  const { pools } = texts.value.control;
  return (
    <div class="card">
      <h2>{pools.none}</h2>
      <p>{pools.how}</p>
      <pre class="log">{'[[pool]]\nname = "detect"\nqueue = "db:"\nmax = 4'}</pre>
      <p class="quiet">{pools.read}</p>
    </div>
  );
}

function PoolCard({ pool, history }: { pool: Pool; history: History | null }) {
  const { pools } = texts.value.control;
  const service = mean(pool.workers.flatMap(({ service_ms }) => (service_ms === null ? [] : [service_ms])));
  const work = workOf(pool);
  const figures: [string, string][] = [
    [pools.waiting, number(pool.waiting)],
    [pools.inFlight, number(pool.in_flight)],
    [pools.dead, number(pool.dead)],
    [pools.workers, workersOf(pool)],
    [pools.service[work], duration(service)],
  ];
  return (
    <section class="card" aria-label={pool.name}>
      <h2>{pool.name} <span class="quiet">{pool.queue}</span></h2>
      {pool.failure !== null && <p role="alert" class="problem">{pools.failure}: {pool.failure}</p>}
      <dl class="figures">
        {figures.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Workers pool={pool.name} work={work} workers={pool.workers} />
      {history !== null && <Charts name={pool.name} history={history} />}
    </section>
  );
}

function Charts({ name, history }: { name: string; history: History }) {
  const { pools } = texts.value.control;
  const line = (called: string, what: "waiting" | "in_flight" | Doing): Series => ({
    name: called,
    points: history.samples.flatMap(({ at, pools }): [number, number][] =>
      pools.filter((seen) => seen.name === name).map((seen) => [at, seen[what]]),
    ),
  });
  const messages = [line(pools.waiting, "waiting"), line(pools.inFlight, "in_flight")];
  const workers = DOINGS.map((doing) => line(pools.doings[doing], doing));
  return (
    <div class="charts">
      <Chart title={pools.messagesChart} x={pools.time} y={pools.messages} series={messages} isTime />
      <Chart title={pools.workersChart} x={pools.time} y={pools.workers} series={workers} isTime />
    </div>
  );
}

function workOf({ queue }: Pool): Work {
  return queue.startsWith("jobs:") ? "jobs" : "pictures";
}

/** Such as `2 of at most 4: 1 idle, 1 busy`. */
function workersOf({ workers, max }: Pool): string {
  const { pools } = texts.value.control;
  const doings = DOINGS.map((doing) => ({ doing, count: workers.filter(({ state }) => state === doing).length }));
  const parts = doings.filter(({ count }) => count > 0).map(({ doing, count }) => `${number(count)} ${pools.doings[doing]}`);
  const all = pools.ofAtMost(number(workers.length), number(max));
  return parts.length === 0 ? all : `${all}: ${parts.join(", ")}`;
}

function mean(values: number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
