/** A real server: the program that was built, with a folder of its own and a network that knows sights. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

export const PROGRAM = path.resolve(process.env["SIGHTSCAN_PROGRAM"] ?? "../target/debug/sightscan");
/** Pictures and networks that are not in this repository. */
export const DATA = path.resolve("../../shared/data");
const hasData = existsSync(path.join(DATA, "models/yolov5n.onnx"));
/** Where the data is missing tests are skipped, except where all must run. */
export const needsData = { skip: hasData || process.env["CI"] ? false : "the shared data is not there" };

/** Classes of COCO that are sights here; written as the older systems wrote names. */
export const SIGHTS = { bus: "BrandenburgerTor" };

/** How a role tells its address: on its output, or in its log. */
const SAYS = {
  api: /SightScan answers at (\S+)/,
  serve: /server listens address=(\S+)/,
};

/** It has started long before, or never will. */
const START_MS = 60_000;

export class Server {
  /** Those that run: a test that fails leaves its own behind. */
  static readonly #running = new Set<Server>();

  private constructor(
    readonly url: string,
    readonly folder: string,
    private readonly child: ChildProcess,
  ) {}

  /** Starts a role; `flags` may say more. It listens where nobody else does. */
  static async start(
    role: "api" | "serve",
    flags: readonly string[] = [],
    folder?: string,
    variables: NodeJS.ProcessEnv = {},
  ): Promise<Server> {
    const data = folder ?? (await mkdtemp(path.join(tmpdir(), "sightscan-web-")));
    const listen = flags.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
    const child = spawn(PROGRAM, [role, ...listen, ...flags], {
      env: { ...environment(data), ...variables },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const server = new Server(await address(child, SAYS[role]), data, child);
    Server.#running.add(server);
    return server;
  }

  /** Ends all that run, and removes their folders. */
  static async removeAll(): Promise<void> {
    await Promise.all([...Server.#running].map((server) => server.remove()));
  }

  /** Ends it, so that nobody answers any more. */
  async stop(): Promise<void> {
    Server.#running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Asks for a city, as another visitor would. */
  async ask(name: string): Promise<void> {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name }) };
    const response = await fetch(`${this.url}/v1/cities`, init);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }
}

function environment(data: string): NodeJS.ProcessEnv {
  return { ...process.env, SIGHTSCAN_DATA: data };
}

/** Where it says that it listens. */
function address(child: ChildProcess, says: RegExp): Promise<string> {
  const said: string[] = [];
  return new Promise<string>((resolve, reject) => {
    const look = (line: string) => {
      said.push(line);
      const told = says.exec(line)?.[1];
      if (told) resolve(told.startsWith("http") ? told : `http://${told}`);
    };
    for (const stream of [child.stdout, child.stderr]) if (stream) createInterface(stream).on("line", look);
    child.once("exit", () => reject(new Error(`the server has ended: ${said.join("\n")}`)));
    setTimeout(() => reject(new Error(`the server has not started: ${said.join("\n")}`)), START_MS).unref();
  });
}

/**
 * Publishes a network as the live model of a city, with some classes of COCO under the names of sights, as the older systems
 * wrote them.
 */
export async function giveModel(
  folder: string,
  city: string,
  names: Readonly<Record<string, string>>,
  file = "yolov5n.onnx",
): Promise<void> {
  const coco = await readFile(path.join(DATA, "models/coco.names"), "utf8");
  const classes = coco.trim().split("\n").map((name) => names[name] ?? name);
  const list = path.join(folder, `${city}.names`);
  await writeFile(list, classes.join("\n"));
  const model = path.join(DATA, "models", file);
  const flags = ["model", "import", model, "--city", city, "--classes", list];
  run(folder, flags);
}

/** A server whose only city is Berlin, with this network. */
export async function berlin(file?: string): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
  await giveModel(folder, "Berlin", SIGHTS, file);
  const server = await Server.start("api", [], folder);
  await until("Berlin is served", async () => (await fetch(`${server.url}/v1/models/berlin`)).ok);
  return server;
}

/** How long tests wait for what must come. */
export const PATIENCE_MS = 90_000;
const PAUSE_MS = 100;

/** Waits until something is so that only an answer can tell. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Runs a verb on a data folder. */
export function run(folder: string, flags: readonly string[]): void {
  const { status, stderr, error } = spawnSync(PROGRAM, flags, { env: environment(folder), encoding: "utf8" });
  if (error) throw new Error(`${PROGRAM} does not start (${error.message}); build it, or name another in SIGHTSCAN_PROGRAM`);
  if (status !== 0) throw new Error(`${flags.join(" ")}: ${stderr}`);
}
