/** Computes a network beside the page, which stays quick meanwhile. */
import type * as Ort from "onnxruntime-web";
import type { Model, Report } from "../api";
import { prepare, type Pixels } from "./prepare";
import { boxes, classes, type Output } from "./read";

/** Addresses of ONNX Runtime, which the build fills in. */
declare const RUNTIME: Record<"wasm" | "webgpu", { module: string; binary: string }>;

export type Backend = keyof typeof RUNTIME;

export type Order =
  | { kind: "open"; bytes: ArrayBuffer; model: Model }
  | { kind: "look"; picture: ImageBitmap };

export type Answer =
  | { kind: "opened"; backend: Backend }
  | { kind: "seen"; report: Report; phases: Record<string, number> }
  | { kind: "failed"; why: string };

interface Network {
  session: Ort.InferenceSession;
  ort: typeof Ort;
  model: Model;
}

let network: Network | null = null;

self.onmessage = ({ data }: MessageEvent<Order>) => {
  const answering = data.kind === "open" ? open(data.bytes, data.model) : look(data.picture);
  answering
    .catch((error: unknown): Answer => ({ kind: "failed", why: error instanceof Error ? error.message : String(error) }))
    .then((answer) => self.postMessage(answer));
};

/** On the graphics processor where that works, else on the processor. */
async function open(bytes: ArrayBuffer, model: Model): Promise<Answer> {
  if (await hasGraphics()) {
    try {
      network = await opened("webgpu", bytes, model);
      return { kind: "opened", backend: "webgpu" };
    } catch (error) {
      console.info(`the graphics processor is not used: ${String(error)}`);
    }
  }
  network = await opened("wasm", bytes, model);
  return { kind: "opened", backend: "wasm" };
}

async function hasGraphics(): Promise<boolean> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  return Boolean(await gpu?.requestAdapter().catch(() => null));
}

async function opened(backend: Backend, bytes: ArrayBuffer, model: Model): Promise<Network> {
  const { module, binary } = RUNTIME[backend];
  const ort = (await import(module)) as typeof Ort;
  ort.env.wasm.wasmPaths = { wasm: binary };
  ort.env.logLevel = "error";
  // Memory is shared between threads only in pages that are isolated, as those of our server are.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 4) : 1;
  const session = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: [backend] });
  const found = { session, ort, model };
  // The first run compiles and allocates, and shows whether it works at all.
  const { width, height } = model.input;
  await infer(found, { width, height, data: new Uint8ClampedArray(4 * width * height).fill(114) });
  return found;
}

async function look(picture: ImageBitmap): Promise<Answer> {
  if (network === null) throw new Error("no network is open");
  const begun = performance.now();
  const pixels = pixelsOf(picture);
  const decoded = performance.now();
  const { report, phases } = await infer(network, pixels);
  return { kind: "seen", report, phases: { decode: decoded - begun, ...phases } };
}

function pixelsOf(picture: ImageBitmap): Pixels {
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("this browser gives no pixels");
  context.drawImage(picture, 0, 0);
  picture.close();
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

async function infer({ session, ort, model }: Network, pixels: Pixels) {
  const begun = performance.now();
  const { tensor, placement } = prepare(pixels, model.input);
  const prepared = performance.now();
  const { width, height, layout } = model.input;
  const shape = layout === "nchw" ? [1, 3, height, width] : [1, height, width, 3];
  const [name, out] = [session.inputNames[0]!, session.outputNames[0]!];
  const results = await session.run({ [name]: new ort.Tensor("float32", tensor, shape) });
  const inferred = performance.now();
  const output = { shape: results[out]!.dims, data: results[out]!.data as Float32Array };
  const report = reported(output, model, pixels, placement);
  const phases = { prepare: prepared - begun, infer: inferred - prepared, post: performance.now() - inferred };
  return { report, phases };
}

function reported(output: Output, model: Model, pixels: Pixels, placement: Parameters<typeof boxes>[3]): Report {
  const size = { width: pixels.width, height: pixels.height };
  if (model.family === "classifier") return { ...size, classes: classes(output, model) };
  return { ...size, detections: boxes(output, model, pixels, placement) };
}
