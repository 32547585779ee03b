/** The workers of a pool, one by one. */
import { useSignal } from "@preact/signals";
import { texts } from "../language";
import { number } from "../numbers";
import { doingName } from "./states";
import { Table } from "../table";
import { duration } from "../words";

export const DOINGS = ["starting", "idle", "busy", "draining"] as const;
export type Doing = (typeof DOINGS)[number];

/** What the workers of a pool work on. */
export type Work = "pictures" | "jobs";

export interface Worker {
  id: string;
  state: Doing;
  /** Pictures or jobs that it has brought to an end. */
  ended: number;
  /** How long one takes it, where it has ended one. */
  service_ms: number | null;
}

/** A longer list is closed at first. */
const SHORT = 8;

interface Props {
  pool: string;
  work: Work;
  workers: readonly Worker[];
}

export function Workers({ pool, work, workers }: Props) {
  const { pools: words } = texts.value.control;
  /** Null until somebody opens or closes it. */
  const wished = useSignal<boolean | null>(null);
  const isOpen = wished.value ?? workers.length <= SHORT;
  const toggle = (event: MouseEvent) => {
    event.preventDefault();
    wished.value = !isOpen;
  };
  if (workers.length === 0) return null;
  return (
    <details class="workers" open={isOpen}>
      <summary onClick={toggle}>{words.oneByOne}</summary>
      <Table caption={words.workersOf(pool)} head={[words.worker, words.doing, words.ended[work], words.service[work]]}>
        {workers.map(({ id, state, ended, service_ms }) => (
          <tr key={id}>
            <th scope="row">{id}</th>
            <td>{doingName(state)}</td>
            <td>{number(ended)}</td>
            <td>{duration(service_ms)}</td>
          </tr>
        ))}
      </Table>
    </details>
  );
}
