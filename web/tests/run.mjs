// Compiles the browser tests and runs them: `npm test`, or with a part of a test's name, `npm test -- "row 55"`.
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

/** Runs beside each other do not meet. */
const OUT = `tests/dist/${process.pid}`;

const files = (await readdir("tests")).filter((name) => name.endsWith(".test.ts"));
await build({
  entryPoints: files.map((name) => path.join("tests", name)),
  bundle: true,
  format: "esm",
  platform: "node",
  packages: "external",
  target: "node18",
  outdir: OUT,
  outExtension: { ".js": ".mjs" },
});
const pattern = process.argv[2] ? ["--test-name-pattern", process.argv[2]] : [];
const compiled = files.map((name) => path.join(OUT, name.replace(/ts$/, "mjs")));
// One file at a time: each has a browser and a server, which use all cores by themselves.
const { status } = spawnSync(process.execPath, ["--test", "--test-concurrency=1", ...pattern, ...compiled], { stdio: "inherit" });
await rm(OUT, { recursive: true, force: true });
process.exit(status ?? 1);
