/** How many jobs of each queue wait, run and were given up. */
import { askAdminJson } from "../admin";
import { texts } from "../language";
import { number } from "../numbers";
import { QUEUES } from "./job";
import { queueName } from "./states";
import { Table } from "../table";

/** States that an operator has to know of. */
const COUNTED = ["waiting", "running", "dead"] as const;

export type Counts = Record<(typeof COUNTED)[number], number>;

/** By queue; one that has none of these jobs is not among them. */
export type Backlog = ReadonlyMap<string, Counts>;

export async function askBacklog(): Promise<Backlog> {
  const { items } = await askAdminJson<{ items: (Counts & { queue: string })[] }>("/v1/jobs/queues");
  return new Map(items.map((counts) => [counts.queue, counts]));
}

export function Queues({ backlog }: { backlog: Backlog }) {
  const { jobs: words } = texts.value.control;
  return (
    <Table caption={words.backlog} head={words.ofQueue}>
      {[...new Set([...QUEUES, ...backlog.keys()])].map((queue) => (
        <tr key={queue}>
          <th scope="row">{queueName(queue)}</th>
          {COUNTED.map((state) => <td key={state}>{number(backlog.get(queue)?.[state] ?? 0)}</td>)}
        </tr>
      ))}
    </Table>
  );
}

/** How many were given up, of all queues. */
export function dead(backlog: Backlog): number {
  return [...backlog.values()].reduce((all, counts) => all + counts.dead, 0);
}
