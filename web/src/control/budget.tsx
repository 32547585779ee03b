/** Paid calls of labelling services: how many were made, and how many may be. */
import { texts } from "../language";
import { number } from "../numbers";

export interface Calls {
  calls: number;
  limit: number;
}

export function Budget({ of: { calls, limit } }: { of: Calls }) {
  const { budget } = texts.value.control;
  return (
    <label class="progress">
      {budget(number(calls), number(limit))}
      <progress max={Math.max(limit, 1)} value={calls} />
    </label>
  );
}

/** All of them together. */
export function sum(budgets: readonly Calls[]): Calls {
  const add = (one: Calls, other: Calls) => ({ calls: one.calls + other.calls, limit: one.limit + other.limit });
  return budgets.reduce(add, { calls: 0, limit: 0 });
}
