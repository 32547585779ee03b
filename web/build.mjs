// Builds the app into dist/: hashed assets, the page that names them, the service worker that keeps them, and each file with gzip.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const DIST = "dist";
const ASSETS = path.join(DIST, "assets");
const RUNTIME = "node_modules/onnxruntime-web/dist";
/** ONNX Runtime by what computes: its module and its program. */
const RUNTIMES = {
  wasm: { module: "ort.wasm.bundle.min.mjs", binary: "ort-wasm-simd-threaded.wasm" },
  webgpu: { module: "ort.webgpu.bundle.min.mjs", binary: "ort-wasm-simd-threaded.asyncify.wasm" },
};
const options = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  jsx: "automatic",
  jsxImportSource: "preact",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  metafile: true,
};

await rm(DIST, { recursive: true, force: true });
await mkdir(ASSETS, { recursive: true });
const runtime = await copyRuntimes();
/** All that was built: the service worker keeps it. */
const built = [];
const worker = await buildOne("src/detect/worker.ts", { RUNTIME: JSON.stringify(runtime) });
const app = await buildOne("src/main.tsx", { WORKER: JSON.stringify(worker) });
const style = await buildOne("src/style.css", {});
await writePage({ "/src/main.tsx": app, "/src/style.css": style });
const beside = await readdir("public");
for (const file of beside) await writeFile(path.join(DIST, file), await readFile(path.join("public", file)));
await buildServiceWorker(["/", ...built, ...beside.map((file) => `/${file}`)]);
await compress(DIST);

/** The address of what an entry was built into. */
async function buildOne(entry, define) {
  const { metafile } = await build({ ...options, entryPoints: [entry], define, outdir: ASSETS, splitting: true });
  const address = (file) => `/${path.relative(DIST, file)}`;
  built.push(...Object.keys(metafile.outputs).map(address));
  const [file] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry);
  return address(file);
}

/** It is loaded only by who computes on the device, and so stays apart. */
async function copyRuntimes() {
  const copied = {};
  for (const [name, files] of Object.entries(RUNTIMES)) {
    copied[name] = { module: await copyAsset(files.module), binary: await copyAsset(files.binary) };
  }
  return copied;
}

async function copyAsset(file) {
  const bytes = await readFile(path.join(RUNTIME, file));
  const { name, ext } = path.parse(file);
  const target = `${name}-${digest(bytes)}${ext}`;
  await writeFile(path.join(ASSETS, target), bytes);
  return `/assets/${target}`;
}

function digest(bytes) {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
}

async function writePage(built) {
  let page = await readFile("index.html", "utf8");
  for (const [source, file] of Object.entries(built)) {
    if (!page.includes(source)) throw new Error(`index.html does not name ${source}`);
    page = page.replace(source, file);
  }
  await writeFile(path.join(DIST, "index.html"), page);
}

async function buildServiceWorker(files) {
  const { wasm } = runtime;
  const page = await readFile(path.join(DIST, "index.html"));
  const shell = { version: digest(page + files.join()), files, runtime: [wasm.module, wasm.binary] };
  await build({
    ...options,
    entryPoints: ["src/offline/service-worker.ts"],
    define: { SHELL: JSON.stringify(shell) },
    format: "iife",
    entryNames: "[name]",
    outdir: DIST,
  });
}

/** Those that gain by it. What is large is there with gzip only, which every browser takes. */
async function compress(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      await compress(file);
      continue;
    }
    const plain = await readFile(file);
    const packed = gzipSync(plain, { level: 9 });
    if (packed.length >= 0.9 * plain.length) continue;
    await writeFile(`${file}.gz`, packed);
    if (plain.length > 1e6) await rm(file);
  }
}
