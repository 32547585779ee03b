/** How the picture is shown, what the next box is called, and what is open beside them. */
import { createRef } from "preact";
import { computed, signal } from "@preact/signals";
import { number } from "../numbers";

const GREATEST_ZOOM = 4;

/** How much the picture is enlarged. */
export const zoom = signal(1);
export const canEnlarge = computed(() => zoom.value < GREATEST_ZOOM);
export const canShrink = computed(() => zoom.value > 1);
/** The name that a new box gets. */
export const nextLabel = signal("");
/** Whether the list of keys is open. */
export const isListed = signal(false);
/** The field in which names are searched. */
export const search = createRef<HTMLInputElement>();

export function enlarge(to: number): void {
  zoom.value = Math.min(Math.max(Math.round(to), 1), GREATEST_ZOOM);
}

/** How sure a machine is of a box; nothing for people. */
export function certainty(score: number | null): string {
  return score === null ? "" : number(score, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
