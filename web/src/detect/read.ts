/** From the numbers that a network answers to boxes, as the server reads them. */
import type { Box, ClassScore, Detection, Model } from "../api";
import type { Pixels, Placement } from "./prepare";

/** A tensor of a network. */
export interface Output {
  shape: readonly number[];
  data: Float32Array;
}

/** What a network proposes: the centre and size of a box in pixels of its input. */
interface Candidate {
  class: number;
  confidence: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Steps of the three grids of YOLO networks in pixels. */
const STRIDES = [8, 16, 32];
/** A classifier names so many classes. */
const CLASSES = 5;

export class UnexpectedOutput extends Error {}

/** The boxes that are kept, the most confident first, in pixels of the picture. */
export function boxes(output: Output, model: Model, picture: Pixels, placement: Placement): Detection[] {
  const { confidence, iou, agnostic, max } = model.thresholds;
  const found = candidates(output, model, confidence).flatMap((candidate) => {
    const box = inPicture(candidate, picture, placement);
    return box ? [{ class: candidate.class, confidence: candidate.confidence, box }] : [];
  });
  const kept = suppress(found, iou, agnostic, max);
  return kept.map(({ class: index, confidence, box }) => ({ label: model.classes[index]!, confidence, box }));
}

function candidates(output: Output, model: Model, least: number): Candidate[] {
  if (model.family === "classifier") throw new UnexpectedOutput("a classifier has no boxes");
  const all = { yolov5: rows, yolov8: columns, yolox: cells }[model.family];
  const isSound = (found: Candidate) =>
    [found.x, found.y, found.width, found.height, found.confidence].every(Number.isFinite) &&
    found.width >= 0 &&
    found.height >= 0;
  return all(output, model, least).filter(isSound);
}

/** `[1, boxes, 5 + classes]`: centre, size, objectness, probabilities of classes. */
function rows({ shape, data }: Output, { classes }: Model, least: number): Candidate[] {
  const count = 5 + classes.length;
  if (shape.length !== 3 || shape[0] !== 1 || shape[2] !== count) throw unexpected(shape);
  return read(data, classes.length, least);
}

function read(data: Float32Array, classes: number, least: number): Candidate[] {
  const found: Candidate[] = [];
  for (let at = 0; at < data.length; at += 5 + classes) {
    if (data[at + 4]! <= least) continue;
    const [best, probability] = greatest(data, at + 5, classes);
    const confidence = Math.fround(data[at + 4]! * probability);
    if (confidence <= least) continue;
    found.push({
      class: best,
      confidence,
      x: data[at]!,
      y: data[at + 1]!,
      width: data[at + 2]!,
      height: data[at + 3]!,
    });
  }
  return found;
}

/** `[1, 4 + classes, boxes]`: the same without objectness, column by column. */
function columns({ shape, data }: Output, { classes }: Model, least: number): Candidate[] {
  const [batch, rowsOf, count] = shape;
  if (shape.length !== 3 || batch !== 1 || rowsOf !== 4 + classes.length || !count) throw unexpected(shape);
  const found: Candidate[] = [];
  for (let index = 0; index < count; index += 1) {
    let [best, confidence] = [0, -Infinity];
    for (let number = 0; number < classes.length; number += 1) {
      const score = data[(4 + number) * count + index]!;
      if (score > confidence) [best, confidence] = [number, score];
    }
    if (confidence <= least) continue;
    const [x, y, width, height] = [0, 1, 2, 3].map((row) => data[row * count + index]!) as [number, number, number, number];
    found.push({ class: best, confidence, x, y, width, height });
  }
  return found;
}

/** `[1, cells, 5 + classes]` on the raw grid: the centre is `(p + cell) * stride`, the size `exp(p) * stride`. */
function cells({ shape, data }: Output, { classes, input }: Model, least: number): Candidate[] {
  const grid = STRIDES.flatMap((stride) => {
    const [across, down] = [Math.floor(input.width / stride), Math.floor(input.height / stride)];
    return Array.from({ length: across * down }, (_, cell) => ({
      column: cell % across,
      line: Math.floor(cell / across),
      stride,
    }));
  });
  const count = 5 + classes.length;
  if (shape.length !== 3 || shape[0] !== 1 || shape[1] !== grid.length || shape[2] !== count) throw unexpected(shape);
  const result = data.slice();
  grid.forEach(({ column, line, stride }, cell) => {
    const at = cell * count;
    result[at] = (data[at]! + column) * stride;
    result[at + 1] = (data[at + 1]! + line) * stride;
    result[at + 2] = Math.exp(data[at + 2]!) * stride;
    result[at + 3] = Math.exp(data[at + 3]!) * stride;
  });
  return read(result, classes.length, least);
}

function greatest(data: Float32Array, from: number, count: number): [number, number] {
  let [best, value] = [0, -Infinity];
  for (let index = 0; index < count; index += 1) {
    const next = data[from + index]!;
    if (next > value) [best, value] = [index, next];
  }
  return [best, value];
}

function unexpected(shape: readonly number[]): UnexpectedOutput {
  return new UnexpectedOutput(`the network answered a tensor of shape [${shape.join(", ")}], which is not its family's`);
}

/** The box in the picture, cut at its borders; none where all of it lies outside. */
function inPicture(candidate: Candidate, picture: Pixels, placement: Placement): Box | null {
  const across = (x: number) => Math.min(Math.max((x - placement.left) / placement.scaleX, 0), picture.width);
  const down = (y: number) => Math.min(Math.max((y - placement.top) / placement.scaleY, 0), picture.height);
  const [left, right] = [across(candidate.x - candidate.width / 2), across(candidate.x + candidate.width / 2)];
  const [top, bottom] = [down(candidate.y - candidate.height / 2), down(candidate.y + candidate.height / 2)];
  const box = { left, top, width: right - left, height: bottom - top };
  return box.width * box.height > 0 ? box : null;
}

interface Found {
  class: number;
  confidence: number;
  box: Box;
}

/** Greedy non-maximum suppression: of boxes that overlap, only the most confident stays. */
function suppress(found: readonly Found[], iou: number, agnostic: boolean, max: number): Found[] {
  const kept: Found[] = [];
  for (const one of [...found].sort((a, b) => b.confidence - a.confidence)) {
    if (kept.length === max) break;
    const isRival = (other: Found) => (agnostic || other.class === one.class) && overlap(other.box, one.box) > iou;
    if (!kept.some(isRival)) kept.push(one);
  }
  return kept;
}

/** Intersection over union. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  const both = Math.max(width, 0) * Math.max(height, 0);
  return both / (a.width * a.height + b.width * b.height - both || 1);
}

/** The most probable classes of the whole picture; logits become probabilities. */
export function classes({ data }: Output, model: Model): ClassScore[] {
  if (data.length !== model.classes.length || !data.every(Number.isFinite)) throw unexpected([data.length]);
  const sum = data.reduce((total, number) => total + number, 0);
  const isProbable = Math.abs(sum - 1) < 1e-2 && data.every((number) => number >= 0 && number <= 1.001);
  const shares = isProbable ? data : softmax(data);
  const named = model.classes.map((label, index) => ({ label, confidence: shares[index]! }));
  return named.sort((a, b) => b.confidence - a.confidence).slice(0, Math.min(model.thresholds.max, CLASSES));
}

function softmax(logits: Float32Array): Float32Array {
  const top = logits.reduce((best, next) => Math.max(best, next), -Infinity);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
