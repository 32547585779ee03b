/** Times and parts as people say them, in the language of the app. */
import { language } from "./language";
import { milliseconds, number } from "./numbers";

/** Units of time and how many seconds they have, the longest first. */
const UNITS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** How long ago a time is, or how long until then. */
export function ago(at: number): string {
  const seconds = Math.trunc((at - Date.now()) / 1_000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** How long something takes. */
export function duration(ms: number | null): string {
  if (ms === null) return "–";
  const seconds = ms / 1_000;
  const found = UNITS.find(([, size]) => seconds >= size);
  if (found === undefined) return milliseconds(ms);
  const [unit, size] = found;
  return number(seconds / size, { style: "unit", unit, maximumFractionDigits: 1 });
}

/** The date and the time of day. */
export function when(at: number): string {
  return new Date(at).toLocaleString(language.value, { dateStyle: "medium", timeStyle: "short" });
}

/** A part of one, such as 0.125, as 12.5 %. */
export function percent(value: number | null): string {
  if (value === null) return "–";
  return number(value, { style: "percent", maximumFractionDigits: 1 });
}
