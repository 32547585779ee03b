/** Numbers as the language of the app writes them, in the unit that people read best. */
import { language } from "./language";

export function number(value: number, format: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(language.value, format).format(value);
}

export function bytes(count: number): string {
  return scaled(count, ["kilobyte", "megabyte"], 1e3, 1e6);
}

export function metres(count: number): string {
  return scaled(Math.round(count), ["meter", "kilometer"], 1, 1e3);
}

export function milliseconds(value: number, digits = 0): string {
  const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return number(value, { style: "unit", unit: "millisecond", ...fraction });
}

/** In the smaller unit without a fraction, or in the larger one with one digit of it. */
function scaled(value: number, [small, large]: [string, string], one: number, many: number): string {
  const isLarge = value >= many;
  const digits = isLarge ? 1 : 0;
  const unit = { style: "unit", unit: isLarge ? large : small } as const;
  return number(value / (isLarge ? many : one), { ...unit, minimumFractionDigits: digits, maximumFractionDigits: digits });
}
