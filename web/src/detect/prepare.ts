/**
 * From pixels to the input of a network, as the server prepares it: the same letterbox, the same filter, the same rounding.
 * A canvas would resize as its browser likes.
 */
import type { Input } from "../api";

/** Pixels with red, green, blue and alpha, 0 to 255, row by row. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/** Where the picture lies in the input: margins and size in pixels of the input. */
export interface Placement {
  left: number;
  top: number;
  width: number;
  height: number;
  scaleX: number;
  scaleY: number;
}

export function place(width: number, height: number, input: Input): Placement {
  const ratio = Math.min(input.width / width, input.height / height);
  const isStretched = input.fit === "stretch";
  const fitted = (size: number, limit: number) => Math.min(Math.max(Math.round(size * ratio), 1), limit);
  const inner = {
    width: isStretched ? input.width : fitted(width, input.width),
    height: isStretched ? input.height : fitted(height, input.height),
  };
  const margin = (free: number) => (input.fit === "letterbox" ? Math.max(Math.round(free / 2 - 0.1), 0) : 0);
  return {
    left: margin(input.width - inner.width),
    top: margin(input.height - inner.height),
    ...inner,
    scaleX: inner.width / width,
    scaleY: inner.height / height,
  };
}

/** The numbers of the network's input: each value `v` becomes `(v - mean) * scale`. */
export function prepare(picture: Pixels, input: Input): { tensor: Float32Array; placement: Placement } {
  const placement = place(picture.width, picture.height, input);
  const tensor = new Float32Array(3 * input.width * input.height);
  const tables = [0, 1, 2].map((channel) => table(input, channel));
  const isPlanar = input.layout === "nchw";
  const plane = input.width * input.height;
  const at = (x: number, y: number, channel: number) =>
    isPlanar ? channel * plane + y * input.width + x : 3 * (y * input.width + x) + channel;
  pad(tensor, tables, input, at);
  const rows = new Rows(picture, placement, input.antialias);
  for (let y = 0; y < placement.height; y += 1) {
    const row = rows.at(y);
    for (let channel = 0; channel < 3; channel += 1) {
      const values = tables[channel]!;
      const source = input.colour === "bgr" ? 2 - channel : channel;
      for (let x = 0; x < placement.width; x += 1) {
        tensor[at(x + placement.left, y + placement.top, channel)] = values[row[3 * x + source]!]!;
      }
    }
  }
  return { tensor, placement };
}

function table(input: Input, channel: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, value) => (value - input.mean[channel]!) * input.scale);
}

function pad(
  tensor: Float32Array,
  tables: readonly Float32Array[],
  input: Input,
  at: (x: number, y: number, channel: number) => number,
): void {
  for (let channel = 0; channel < 3; channel += 1) {
    const value = tables[channel]![input.pad]!;
    for (let y = 0; y < input.height; y += 1) {
      for (let x = 0; x < input.width; x += 1) tensor[at(x, y, channel)] = value;
    }
  }
}

/** How much each of some neighbouring pixels counts for one of the result. */
interface Taps {
  first: number;
  weights: readonly number[];
}

/**
 * A triangle around the centre of each pixel of the result. With `antialias` it widens with the factor of shrinking, as Pillow's
 * does; else it is two pixels wide, as in OpenCV's `INTER_LINEAR`.
 */
function taps(from: number, to: number, antialias: boolean): Taps[] {
  const scale = from / to;
  const width = antialias ? Math.max(scale, 1) : 1;
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(Math.floor(centre - width + 0.5), 0);
    const end = Math.min(Math.floor(centre + width + 0.5), from);
    const heights = Array.from({ length: Math.max(end - first, 0) }, (_, step) =>
      Math.max(1 - Math.abs((first + step + 0.5 - centre) / width), 0),
    );
    const sum = heights.reduce((total, height) => total + height, 0);
    return { first, weights: heights.map((height) => height / sum) };
  });
}

/** Rows of the resized picture, each with red, green and blue. Columns are resized first, then rows, each rounded to bytes. */
class Rows {
  readonly #picture: Pixels;
  readonly #across: readonly Taps[];
  readonly #down: readonly Taps[];

  constructor(picture: Pixels, placement: Placement, antialias: boolean) {
    this.#picture = picture;
    this.#across = taps(picture.width, placement.width, antialias);
    this.#down = taps(picture.height, placement.height, antialias);
  }

  at(y: number): Uint8Array {
    const flat = this.#flattened(this.#down[y]!);
    const row = new Uint8Array(3 * this.#across.length);
    this.#across.forEach(({ first, weights }, x) => {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0.5;
        for (let step = 0; step < weights.length; step += 1) sum += weights[step]! * flat[3 * (first + step) + channel]!;
        row[3 * x + channel] = sum;
      }
    });
    return row;
  }

  /** Some rows of the picture as one. */
  #flattened({ first, weights }: Taps): Uint8Array {
    const { width, data } = this.#picture;
    const sums = new Float64Array(3 * width).fill(0.5);
    weights.forEach((weight, step) => {
      const start = 4 * (first + step) * width;
      for (let x = 0; x < width; x += 1) {
        sums[3 * x]! += weight * data[start + 4 * x]!;
        sums[3 * x + 1]! += weight * data[start + 4 * x + 1]!;
        sums[3 * x + 2]! += weight * data[start + 4 * x + 2]!;
      }
    });
    // Storing cuts the fraction off: with the half that is there already, it rounds.
    return Uint8Array.from(sums);
  }
}
