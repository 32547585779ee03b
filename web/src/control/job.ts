/** Jobs of the stages, as the server tells of them. */
import type { Progress } from "../api";

export const STATES = ["waiting", "running", "done", "dead", "cancelled"] as const;
export type JobState = (typeof STATES)[number];

export const QUEUES = ["crawl", "label", "train", "upkeep"] as const;

export interface Job {
  id: string;
  name: string;
  queue: string;
  /** None where it is for no city. */
  city_slug: string | null;
  state: JobState;
  attempts: number;
  max_attempts: number;
  /** Not before this time. */
  run_at: number | null;
  worker: string | null;
  cancel_requested: boolean;
  progress: Progress;
  reason: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}
