/** The life of a city as an operator sees it: its stages, where it is, and what can be decided about it. */
import type { City as Listed, CityState } from "../api";
import type { Calls } from "./budget";

/** What a city goes through, in order. */
export const STAGES = ["requested", "approved", "crawling", "labelling", "training", "live"] as const;
export type Stage = (typeof STAGES)[number] & CityState;

export const DECISIONS = ["approve", "reject", "pause", "resume", "retry"] as const;
export type Decision = (typeof DECISIONS)[number];

/** A change of state. */
export interface Step {
  number: number;
  at: number;
  actor: string;
  from: string | null;
  to: string | null;
  stage: string | null;
  message: string | null;
}

export interface City extends Listed {
  requests: { posts: number; requesters: number; threshold: number };
  /** Null before they were counted for the first time. */
  counts: ({ refreshed_at: number } & Record<Counted, number>) | null;
  /** Null for visitors. */
  budget: Calls | null;
  /** The oldest first. */
  history: readonly Step[];
}

export const COUNTED = ["sights", "images", "labelled", "empty", "unlabelled", "donated", "boxes", "models"] as const;
export type Counted = (typeof COUNTED)[number];

/** What makes sense in a state. Work is paused before a city is rejected. */
const POSSIBLE: Record<CityState, readonly Decision[]> = {
  requested: ["approve", "reject"],
  approved: ["pause"],
  crawling: ["pause"],
  labelling: ["pause"],
  training: ["pause"],
  live: ["pause"],
  failed: ["retry", "reject"],
  paused: ["resume", "reject"],
  rejected: ["approve"],
};

export function possible(state: CityState): readonly Decision[] {
  // A newer server may have others.
  return POSSIBLE[state] ?? [];
}

/** How far a city came: where it is, or where it was before it was stopped. */
export function reached({ state, history }: City): Stage {
  const states = [...history.map(({ to }) => to), state].reverse();
  return STAGES.find((stage) => stage === states.find(isStage)) ?? "requested";
}

function isStage(state: string | null): boolean {
  return STAGES.some((stage) => stage === state);
}

export function isWorking(state: CityState): boolean {
  return state === "crawling" || state === "labelling" || state === "training";
}

/** The path of a city at the server, or of something that it has. */
export function pathOf(slug: string, ...parts: (string | number)[]): string {
  return ["/v1/cities", ...[slug, ...parts].map((part) => encodeURIComponent(part))].join("/");
}
