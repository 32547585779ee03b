/** The control room, as an operator uses it: jobs, pools and experiments of a real server. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { askAdmin, TOKEN, VARIABLES } from "./admin";
import { BUS, ended, isFine, launch, visit, type Visit } from "./browser";
import { giveModel, needsData, run, Server, SIGHTS, until } from "./server";

/** An experiment starts processes, and warms them up. */
const MEASURING_MS = 180_000;
const POOL = '[elastic]\nthrough = "db:"\n\n[[pool]]\nname = "detect"\nqueue = "db:"\nmin = 0\nmax = 3\n';

let browser: Browser;

/** A page of the control room, for somebody who has the token. */
async function entered({ url }: Server, page: string): Promise<Visit> {
  const seen = await visit(browser, `${url}/#/control/${page}`, { isKept: false });
  await seen.page.getByLabel("Administrator's token").fill(TOKEN);
  await seen.page.getByRole("button", { name: "Enter" }).click();
  await seen.page.getByRole("heading", { name: "Control room" }).waitFor();
  return seen;
}

async function states(server: Server): Promise<string[]> {
  const { items } = await askAdmin<{ items: { state: string }[] }>(server, "/v1/jobs?queue=crawl");
  return items.map(({ state }) => state);
}

/** A server whose pool always has a worker, a process of its own. */
async function withWorker(): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
  const settings = path.join(folder, "sightscan.toml");
  await writeFile(settings, `${POOL.replace("min = 0", "min = 1")}idle_seconds = 120\n`);
  const flags = ["--config", settings, "--controller"];
  return await Server.start("api", flags, folder, VARIABLES);
}

async function detect({ url }: Server): Promise<void> {
  const response = await fetch(`${url}/v1/detect`, { method: "POST", body: Uint8Array.from(await readFile(BUS)) });
  assert.ok(response.ok, `${response.status}`);
}

/** Has the page see so many workers where there is one. */
async function shows(page: Page, count: number): Promise<void> {
  await page.route("**/v1/pools", async (route) => {
    const response = await route.fetch();
    const fleet = (await response.json()) as { pools: { workers: { id: string }[] }[] };
    for (const pool of fleet.pools) {
      pool.workers = Array.from({ length: count }, (_, number) => ({ ...pool.workers[0]!, id: `w${number}` }));
    }
    await route.fulfill({ response, json: fleet });
  });
}

/** They outlive the server, so that another one finds them. */
async function endWorkers(server: Server): Promise<void> {
  await server.stop();
  const reports = path.join(server.folder, "fleet/detect");
  // What is just being written has an ending.
  const names = (await readdir(reports)).filter((name) => !name.includes("."));
  for (const name of names) {
    const { pid } = JSON.parse(await readFile(path.join(reports, name), "utf8")) as { pid: number };
    await until(`worker ${pid} has ended`, async () => !askToEnd(pid));
  }
  await server.remove();
}

/** Asks a process to end; false where there is none any more. */
function askToEnd(pid: number): boolean {
  try {
    return process.kill(pid);
  } catch {
    return false;
  }
}

describe("the control room", () => {
  let server: Server;

  before(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
    const settings = path.join(folder, "sightscan.toml");
    await writeFile(settings, POOL);
    server = await Server.start("api", ["--config", settings], folder, VARIABLES);
    // One visitor is enough: the city is approved, and a job waits for a worker that does not run.
    await server.ask("Berlin");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("a visitor without the token sees nothing of it", async () => {
    const asked: string[] = [];
    for (const page of ["jobs", "pools", "experiments"]) {
      const seen = await visit(browser, "about:blank");
      seen.page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await seen.page.goto(`${server.url}/#/control/${page}`);
      await seen.page.getByLabel("Administrator's token").waitFor();
      assert.equal(await seen.page.getByRole("heading", { name: "Control room" }).count(), 0);
      await ended(seen);
    }
    assert.deepEqual(asked.filter((path) => /^\/v1\/(jobs|pools|experiments)/.test(path)), []);
  });

  test("a job is listed, can be cancelled after a second thought, and tried again", async () => {
    const seen = await entered(server, "jobs");
    const { page } = seen;
    const row = page.getByRole("row").filter({ hasText: "crawl" }).first();
    await row.getByText("waiting").waitFor();
    await row.getByText(/^asked for .*(ago|now)$/).waitFor();
    await row.getByText(/^0 of \d+ attempts$/).waitFor();
    await row.getByRole("button", { name: "Cancel the job" }).click();
    await row.getByRole("button", { name: "Yes, cancel it" }).and(page.locator(":focus")).waitFor();
    await page.keyboard.press("Escape");
    await row.getByRole("button", { name: "Cancel the job" }).and(page.locator(":focus")).waitFor();
    assert.deepEqual(await states(server), ["waiting"]);
    await row.getByRole("button", { name: "Cancel the job" }).click();
    await row.getByRole("button", { name: "Yes, cancel it" }).click();
    await row.getByRole("button", { name: "Try again" }).waitFor();
    assert.deepEqual(await states(server), ["cancelled"]);
    await row.getByRole("button", { name: "Try again" }).click();
    await row.getByRole("button", { name: "Cancel the job" }).waitFor();
    assert.deepEqual(await states(server), ["waiting"]);
    await isFine(seen.page);
    await ended(seen);
  });

  test("jobs are looked for by state, queue and city, and those that were given up by one key", async () => {
    const seen = await entered(server, "jobs");
    const { page } = seen;
    const crawl = page.getByRole("row").filter({ hasText: "crawl" });
    await crawl.first().waitFor();
    const queue = page.getByRole("combobox", { name: "Queue" });
    await queue.selectOption("train");
    await page.getByText("There are no such jobs.").waitFor();
    await queue.selectOption("crawl");
    await page.getByLabel("City").selectOption("berlin");
    await crawl.first().waitFor();
    await page.getByRole("button", { name: "Given up: 0" }).press("Enter");
    await page.getByText("There are no such jobs.").waitFor();
    assert.equal(await page.getByLabel("State").inputValue(), "dead");
    await isFine(seen.page);
    await ended(seen);
  });

  test("jobs are counted by queue and state, whichever are looked for", async () => {
    const other = await Server.start("api", [], undefined, VARIABLES);
    const seen = await entered(other, "jobs");
    const { page } = seen;
    const queues = page.getByRole("region", { name: "Queues" });
    await queues.getByRole("row", { name: "collecting 0 0 0" }).waitFor();
    await other.ask("Berlin");
    await other.ask("Hamburg");
    await queues.getByRole("row", { name: "collecting 2 0 0" }).waitFor();
    await page.getByLabel("State").selectOption("done");
    await page.getByText("There are no such jobs.").waitFor();
    await queues.getByRole("row", { name: "collecting 2 0 0" }).waitFor();
    await queues.getByRole("row", { name: "training 0 0 0" }).waitFor();
    await ended(seen);
  });

  test("a job that comes while somebody looks is shown, and the list stays while the server is away", async () => {
    const seen = await entered(server, "jobs");
    const { page } = seen;
    const rows = page.getByRole("region", { name: "Jobs, the newest first" }).getByRole("row");
    await rows.nth(1).waitFor();
    const begun = await rows.count();
    await server.ask("Hamburg");
    await until("the new job is listed", async () => (await rows.count()) > begun);
    await page.route("**/v1/jobs?**", (route) => route.abort());
    await page.getByRole("alert").getByText("The newest answer did not arrive").waitFor();
    assert.ok((await rows.count()) > begun);
    // A page that nobody looks at does not ask by itself: only the button does.
    await page.evaluate(() => Object.defineProperty(document, "hidden", { value: true, configurable: true }));
    await page.unroute("**/v1/jobs?**");
    await page.getByRole("button", { name: "Try again" }).first().click();
    await page.getByRole("alert").waitFor({ state: "detached" });
    await seen.context.close();
  });

  test("a pool is shown with what waits and who works, and how that was", async () => {
    const seen = await entered(server, "pools");
    const { page } = seen;
    const pool = page.getByRole("region", { name: "detect" });
    await pool.getByText("0 of at most 3").waitFor();
    await pool.getByText("Messages of the last hour").waitFor();
    await pool.getByRole("img", { name: /Messages of the last hour; Waiting: 0; In work: 0/ }).waitFor();
    await pool.getByRole("img", { name: /Workers of the last hour; starting: 0; idle: 0; busy: 0/ }).waitFor();
    await page.getByText("In the buckets: 0 pictures and 0 labels.").waitFor();
    await isFine(seen.page);
    await ended(seen);
  });

  test("the workers of a pool are shown one by one, with what they have done", needsData, async () => {
    const other = await withWorker();
    try {
      const seen = await entered(other, "pools");
      const { page } = seen;
      const workers = page.getByRole("region", { name: "Workers of detect" });
      await workers.getByRole("row", { name: /^w\S+ idle 0 –$/ }).waitFor();
      await detect(other);
      await workers.getByRole("row", { name: /^w\S+ idle 1 [\d.,]+ (ms|sec)$/ }).waitFor();
      await isFine(page);
      await shows(page, 9);
      await page.getByText("9 of at most 3: 9 idle").waitFor();
      assert.ok(await workers.isHidden());
      await page.getByText("Workers one by one").press("Enter");
      await workers.getByRole("row").nth(9).waitFor();
      await shows(page, 10);
      // What somebody has opened stays open.
      await workers.getByRole("row").nth(10).waitFor();
      await isFine(page);
      await page.unrouteAll({ behavior: "wait" });
      await ended(seen);
    } finally {
      await endWorkers(other);
    }
  });

  test("a server without pools says how it gets one", async () => {
    const other = await Server.start("api", [], undefined, VARIABLES);
    const seen = await entered(other, "pools");
    await seen.page.getByRole("heading", { name: "No pools are configured" }).waitFor();
    await seen.page.getByText("[[pool]] to sightscan.toml").waitFor();
    await isFine(seen.page);
    await ended(seen);
  });
});

describe("experiments in the control room", needsData, () => {
  let server: Server;

  before(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
    run(folder, ["crawl", "Berlin", "--sights", "demo", "--sources", "demo", "--limit", "2"]);
    await giveModel(folder, "Berlin", SIGHTS);
    server = await Server.start("api", [], folder, VARIABLES);
    // Its workers take the model from the folder, into which the server writes what is live.
    await until("berlin is live", async () => (await fetch(`${server.url}/v1/models/berlin`)).ok);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("an experiment is started, runs to its end, and its plots and numbers are there", async () => {
    const seen = await entered(server, "experiments");
    const { page } = seen;
    await page.getByText("There are no experiments yet.").waitFor();
    await page.getByText("6 cells are measured.").waitFor();
    await page.getByLabel("City").selectOption("berlin");
    await page.getByLabel("Numbers of workers").fill("1");
    await page.getByLabel("Numbers of clients").fill("1");
    await page.getByLabel("Pictures").fill("2");
    await page.getByText("1 cell is measured.").waitFor();
    await page.getByRole("button", { name: "Start the experiment" }).click();
    const item = page.getByRole("region", { name: "berlin-1" });
    await item.getByText(/^(Done|Failed|Stopped),/).waitFor({ timeout: MEASURING_MS });
    assert.match(await item.innerText(), /Done,/);
    await item.getByText("1 of 1 cells", { exact: true }).waitFor();
    const plot = item.getByRole("img", { name: /^Mean response time by number of workers/ });
    await plot.waitFor();
    assert.ok(await plot.evaluate((image: HTMLImageElement) => image.decode().then(() => image.naturalWidth > 0)));
    const downloading = page.waitForEvent("download");
    await item.getByRole("button", { name: "Download the numbers (CSV)" }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), "berlin-1-cells.csv");
    assert.match(await readFile((await download.path())!, "utf8"), /^workers,/);
    await isFine(seen.page);
    await ended(seen);
  });

  test("an experiment can be stopped after a second thought", async () => {
    const seen = await entered(server, "experiments");
    const { page } = seen;
    await page.getByLabel("City").selectOption("berlin");
    await page.getByLabel("Numbers of clients").fill("1, 2, 4, 8");
    await page.getByLabel("Repeats").fill("20");
    await page.getByText("160 cells are measured.").waitFor();
    await page.getByRole("button", { name: "Start the experiment" }).click();
    const item = page.getByRole("region").filter({ hasText: "Repeats: 20." });
    await item.getByText(/^Running,/).waitFor();
    await page.getByText("One experiment runs at a time.").waitFor();
    assert.ok(await page.getByRole("button", { name: "Start the experiment" }).isDisabled());
    await item.getByRole("button", { name: "Stop" }).click();
    await item.getByRole("button", { name: "Yes, stop it" }).click();
    await item.getByText(/^Stopped,/).waitFor({ timeout: MEASURING_MS });
    await ended(seen);
  });

  test("numbers that cannot be meant are not sent", async () => {
    const seen = await entered(server, "experiments");
    const { page } = seen;
    await page.getByLabel("City").selectOption("berlin");
    for (const text of ["0", "one", "1,,x", "-1"]) {
      await page.getByLabel("Numbers of workers").fill(text);
      await page.getByText("0 cells are measured.").waitFor();
      assert.equal(await page.locator("input:invalid").count(), 1, text);
    }
    await ended(seen);
  });
});
