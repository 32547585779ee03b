/** How many jobs of each queue wait, run and were given up. */
import { askAdminJson } from "../admin";
import type { Page } from "../api";
import { texts } from "../language";
import { number } from "../numbers";
import { QUEUES, type Job, type JobState } from "./job";
import { queueName } from "./states";
import { Table } from "../table";

/** States that an operator has to know of. */
const COUNTED = ["waiting", "running", "dead"] as const;
/** So many jobs of each state are counted; the server has no numbers of them. */
const MOST = 100;

export type Backlog = Record<(typeof COUNTED)[number], Page<Job>>;

export async function askBacklog(): Promise<Backlog> {
  const [waiting, running, dead] = await Promise.all([inState("waiting"), inState("running"), inState("dead")]);
  return { waiting, running, dead };
}

function inState(state: JobState): Promise<Page<Job>> {
  return askAdminJson<Page<Job>>(`/v1/jobs?state=${state}&limit=${MOST}`);
}

export function Queues({ backlog }: { backlog: Backlog }) {
  const { jobs: words } = texts.value.control;
  const seen = COUNTED.flatMap((state) => backlog[state].items.map(({ queue }) => queue));
  return (
    <Table caption={words.backlog} head={words.ofQueue}>
      {[...new Set([...QUEUES, ...seen])].map((queue) => (
        <tr key={queue}>
          <th scope="row">{queueName(queue)}</th>
          {COUNTED.map((state) => <td key={state}>{count(backlog[state], queue)}</td>)}
        </tr>
      ))}
    </Table>
  );
}

/** How many there are, of one queue or of all; with a `+` where there are more than were counted. */
export function count({ items, next }: Page<Job>, queue?: string): string {
  const jobs = queue === undefined ? items : items.filter((job) => job.queue === queue);
  return number(jobs.length) + (next === null ? "" : "+");
}
