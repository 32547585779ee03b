/** Asking the server. Types are those of `/openapi.json`, as far as the app reads them. */
import { noteTrouble } from "./log";

const CITY_STATES = [
  "requested",
  "approved",
  "crawling",
  "labelling",
  "training",
  "live",
  "failed",
  "paused",
  "rejected",
] as const;
export type CityState = (typeof CITY_STATES)[number];

export interface Progress {
  done: number;
  total: number | null;
  message: string | null;
}

export interface City {
  slug: string;
  name: string;
  state: CityState;
  since: number;
  failed_stage: string | null;
  reason: string | null;
  progress: Progress;
}

/** A city with how many people have asked for it. */
export interface CityDetails extends City {
  requests: { requesters: number; threshold: number };
}

export interface Place {
  id: number;
  /** What tells it from its namesakes. */
  label: string;
}

/** The input of a network, see `prepare.ts`. */
export interface Input {
  width: number;
  height: number;
  fit: "letterbox" | "letterbox-top-left" | "stretch";
  pad: number;
  colour: "rgb" | "bgr";
  scale: number;
  mean: number[];
  layout: "nchw" | "nhwc";
  antialias: boolean;
}

export interface Model {
  name: string;
  version: string | null;
  family: "yolov5" | "yolov8" | "yolox" | "classifier";
  classes: string[];
  input: Input;
  thresholds: { confidence: number; iou: number; agnostic: boolean; max: number };
  /** Of the file that it was made from. */
  sha256: string;
  /** Bytes of its ONNX file, and the SHA-256 of that. */
  size: number;
  file_sha256: string;
}

/** In pixels of the picture, from the top left. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Detection {
  label: string;
  confidence: number;
  box: Box;
}

export interface ClassScore {
  label: string;
  confidence: number;
}

/** What was found in a picture: boxes by a detector, classes of the whole picture by a classifier. */
export interface Report {
  width: number;
  height: number;
  detections?: Detection[];
  classes?: ClassScore[];
}

/** What a server has beside detection. */
export interface Features {
  /** Cities, which can be asked for. */
  cities: boolean;
  /** Rooms for those who label and operate: not where the cities are another server's. */
  rooms: boolean;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** Why the server refused, as problem+json (RFC 9457) tells it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly slug: string,
    detail: string,
    readonly body: unknown,
  ) {
    super(detail);
  }
}

/** The server could not be reached. */
export class Unreachable extends Error {}

/** The server answered with something that cannot be meant. */
export class Nonsense extends Error {}

/** No answer takes longer, except where work is done meanwhile. */
const LIMIT_MS = 10_000;
/** Nor one that carries a picture, in either direction, over a slow network. */
export const LARGE_MS = 120_000;

export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const signal = init.signal ?? AbortSignal.timeout(LIMIT_MS);
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable(String(error));
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

export async function askJson<T>(path: string, init?: RequestInit): Promise<T> {
  return await json<T>(await ask(path, init));
}

/** What an answer says in JSON. */
export async function json<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof SyntaxError) throw new Nonsense(`${response.url}: ${error.message}`);
    throw new Unreachable(String(error));
  }
}

/** The items of a list; those that are not what they should be are left out: a server of before or after may tell of others. */
export function items<T>(path: string, list: unknown, isOne: (item: T) => boolean): T[] {
  const found = (list as { items?: unknown } | null)?.items;
  if (!Array.isArray(found)) throw new Nonsense(`${path}: a list was expected`);
  const sensible = (found as T[]).filter((item) => isObject(item) && isOne(item));
  const left = found.length - sensible.length;
  noteTrouble(path, left === 0 ? null : `${left} of ${found.length} items make no sense and are left out`);
  return sensible;
}

export function isCity({ slug, name, state, progress }: City): boolean {
  const isNamed = typeof slug === "string" && typeof name === "string";
  return isNamed && CITY_STATES.includes(state) && isObject(progress);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

export function isModel({ name, version, classes, input, thresholds, size, file_sha256 }: Model): boolean {
  const isNamed = typeof name === "string" && (typeof version === "string" || version === null);
  const isFile = typeof size === "number" && typeof file_sha256 === "string";
  return isNamed && isFile && Array.isArray(classes) && isObject(input) && isObject(thresholds);
}

let asked: Promise<Features> | null = null;

async function askFeatures(): Promise<Features> {
  const found = await askJson<Features>("/app.json");
  if (!isObject(found)) throw new Nonsense("the server does not say what it has");
  return found;
}

/** Asked once, and again where the answer was lost. */
export function features(): Promise<Features> {
  asked ??= askFeatures().catch((error: unknown) => {
    asked = null;
    throw error;
  });
  return asked;
}

export function post(body: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function refusal(response: Response): Promise<Refused> {
  const body: unknown = await response.json().catch(() => ({}));
  const problem = body as { type?: unknown; detail?: unknown; title?: unknown };
  const slug = typeof problem.type === "string" ? problem.type.split(":").pop() ?? "" : "";
  const detail = [problem.detail, problem.title].find((text) => typeof text === "string");
  return new Refused(response.status, slug, (detail as string | undefined) ?? `${response.status}`, body);
}

/** All items of a list that comes in pages. */
export async function askAll<T>(
  path: string,
  isOne: (item: T) => boolean = () => true,
  askPage: (path: string) => Promise<Page<T>> = askJson,
): Promise<T[]> {
  const all: T[] = [];
  let address: string | null = path;
  while (address !== null) {
    const page: Page<T> = await askPage(address);
    all.push(...items(address, page, isOne));
    const sign = path.includes("?") ? "&" : "?";
    address = typeof page.next === "string" ? `${path}${sign}cursor=${encodeURIComponent(page.next)}` : null;
  }
  return all;
}
