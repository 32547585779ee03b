/** A small line chart, drawn as SVG. */
import { language, texts } from "../language";
import { number } from "../numbers";

export interface Series {
  name: string;
  points: [number, number][];
}

interface Props {
  title: string;
  /** Names of the axes. */
  x: string;
  y: string;
  series: Series[];
  /** The top of the chart, where the numbers do not say it. */
  greatest?: number;
  /** Whether `x` are times in milliseconds. */
  isTime?: boolean;
}

const WIDTH = 480;
const HEIGHT = 220;
/** Where lines are drawn; around it there is room for the axes. */
const PLOT = { left: 68, right: WIDTH - 34, top: 10, bottom: HEIGHT - 42 };
/** About so many marks an axis gets. */
const TICKS = 4;
/** Styles that `style.css` has. */
const STYLES = 6;

/** From numbers to places in the picture. */
interface Scale {
  ticks: number[];
  place: (value: number) => number;
}

export function Chart({ title, x, y, series, greatest, isTime = false }: Props) {
  const { chart } = texts.value.control;
  const shown = series.filter(({ points }) => points.length > 0);
  const xs = shown.flatMap(({ points }) => points.map(([value]) => value));
  const ys = shown.flatMap(({ points }) => points.map(([, value]) => value));
  const across = scale(least(xs), most(xs), isTime ? timeStep(most(xs) - least(xs)) : stepOf(xs), PLOT.left, PLOT.right);
  const up = upward([...ys, 0, ...(greatest === undefined ? [] : [greatest])]);
  const newest = shown.map(({ name, points }) => chart.newest(name, number(points[points.length - 1]![1], ROUNDED)));
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      {shown.length === 0 ? (
        <p class="quiet">{chart.empty}</p>
      ) : (
        <>
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={[title, ...newest].join("; ")}>
            <Axes x={x} y={y} across={across} up={up} isTime={isTime} />
            {shown.map(({ name, points }) => (
              <Line
                key={name}
                style={styleOf(series, name)}
                points={points.map(([x, y]) => [across.place(x), up.place(y)])}
              />
            ))}
          </svg>
          <Legend series={series} />
        </>
      )}
    </figure>
  );
}

const ROUNDED: Intl.NumberFormatOptions = { maximumSignificantDigits: 3 };

function styleOf(series: Series[], name: string): string {
  return `series-${series.findIndex((one) => one.name === name) % STYLES}`;
}

function Line({ style, points }: { style: string; points: [number, number][] }) {
  const places = points.map(([x, y]) => [x.toFixed(1), y.toFixed(1)] as const);
  const [only] = places;
  // A line of one point would not be seen.
  if (places.length === 1) return <circle class={`dot ${style}`} cx={only![0]} cy={only![1]} r="3" />;
  return <polyline class={`line ${style}`} points={places.map((place) => place.join()).join(" ")} />;
}

function Axes({ x, y, across, up, isTime }: { x: string; y: string; across: Scale; up: Scale; isTime: boolean }) {
  const middle = (PLOT.top + PLOT.bottom) / 2;
  return (
    <g class="axes">
      {up.ticks.map((value) => (
        <g key={value}>
          <line x1={PLOT.left} x2={PLOT.right} y1={up.place(value)} y2={up.place(value)} />
          <text x={PLOT.left - 5} y={up.place(value) + 4} text-anchor="end">{short(value)}</text>
        </g>
      ))}
      {across.ticks.map((value) => (
        <text key={value} x={across.place(value)} y={PLOT.bottom + 16} text-anchor="middle">
          {isTime ? time(value) : short(value)}
        </text>
      ))}
      <text x={(PLOT.left + PLOT.right) / 2} y={HEIGHT - 6} text-anchor="middle">{x}</text>
      <text x="12" y={middle} text-anchor="middle" transform={`rotate(-90 12 ${middle})`}>{y}</text>
    </g>
  );
}

function Legend({ series }: { series: Series[] }) {
  return (
    <ul class="legend">
      {series.map(({ name }) => (
        <li key={name}>
          <svg viewBox="0 0 28 8" width="28" height="8" aria-hidden="true">
            <line class={`line ${styleOf(series, name)}`} x1="0" x2="28" y1="4" y2="4" />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** Spreads the numbers from one to another over an axis, with a mark at each multiple of a step. */
function scale(from: number, to: number, step: number, start: number, end: number): Scale {
  const [first, last] = [Math.ceil(from / step - TINY), Math.floor(to / step + TINY)];
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => rounded((first + index) * step));
  const width = to - from || 1;
  return { ticks, place: (value) => start + ((value - from) / width) * (end - start) };
}

/** The axis upwards ends at a mark. */
function upward(ys: number[]): Scale {
  const step = stepOf(ys);
  const top = Math.max(1, Math.ceil(most(ys) / step - TINY)) * step;
  return scale(least(ys), top, step, PLOT.bottom, PLOT.top);
}

/** What calculating with fractions leaves behind is smaller. */
const TINY = 1e-9;

/** Between marks; there are no halves of what is counted. */
function stepOf(values: number[]): number {
  const step = roundStep((most(values) - least(values)) / TICKS);
  return values.every(Number.isInteger) ? Math.max(1, step) : step;
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function roundStep(least: number): number {
  if (!(least > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * ten).find((step) => step >= least * (1 - TINY)) ?? 10 * ten;
}

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const TIME_STEPS = [1 / 12, 1 / 4, 1 / 2, 1, 2, 5, 10, 15, 30, 60, 120, 360, 720].map((minutes) => minutes * MINUTE);

function timeStep(span: number): number {
  return TIME_STEPS.find((step) => step * (TICKS + 1) >= span) ?? DAY;
}

/** Without what adding fractions leaves behind. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}

function least(values: number[]): number {
  return values.reduce((one, other) => Math.min(one, other), Infinity);
}

function most(values: number[]): number {
  return values.reduce((one, other) => Math.max(one, other), -Infinity);
}

function short(value: number): string {
  return number(value, { notation: "compact", maximumSignificantDigits: 3 });
}

function time(at: number): string {
  const isShort = at % MINUTE === 0;
  const seconds = isShort ? {} : { second: "2-digit" as const };
  const format = { hourCycle: "h23", hour: "2-digit", minute: "2-digit", ...seconds } as const;
  return new Date(at).toLocaleTimeString(language.value, format);
}
