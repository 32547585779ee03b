/** Stages of cities in the control room: how far they are, why they fail, and that they are tried again. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { inControlRoom, VARIABLES } from "./admin";
import { BUS, ended, isFine, launch } from "./browser";
import { needsData, PROGRAM, Server, until } from "./server";

const SIGHT = "Brandenburger Tor";

/** How what a test has begun is ended. */
const endings: (() => void)[] = [];

let browser: Browser;

/** A source of pictures that keeps whoever asks waiting, or refuses to answer. */
class Commons {
  isRefusing = false;
  readonly #server = createServer((_, response) => {
    if (this.isRefusing) response.writeHead(403).end();
  });

  /** Where it listens. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    endings.push(() => this.#stop());
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A server with a city that is crawled: a folder has one picture of its sight, and others are asked for elsewhere. */
async function crawled(commons: Commons): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
  const config = path.join(folder, "sightscan.toml");
  await mkdir(path.join(folder, "pictures", SIGHT), { recursive: true });
  await copyFile(BUS, path.join(folder, "pictures", SIGHT, "1.jpg"));
  await writeFile(path.join(folder, "sights.csv"), SIGHT);
  await writeFile(config, settings(folder, await commons.start()));
  const server = await Server.start("api", ["--config", config], folder, VARIABLES);
  await server.ask("Berlin");
  const variables = { ...process.env, SIGHTSCAN_DATA: folder };
  const worker = spawn(PROGRAM, ["worker", "--jobs", "crawl", "--config", config], { env: variables, stdio: "ignore" });
  endings.push(() => worker.kill("SIGKILL"));
  return server;
}

function settings(folder: string, commons: string): string {
  return [
    "[crawl]",
    `sights = ["${folder}/sights.csv"]`,
    `sources = ["${folder}/pictures", "commons"]`,
    'own_licence = "CC0-1.0"',
    "[crawl.services]",
    `commons = "${commons}"`,
    "[cities]",
    "max_images_per_sight = 4",
  ].join("\n");
}

describe("stages in the control room", needsData, () => {
  before(async () => {
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    endings.forEach((end) => end());
    await Server.removeAll();
  });

  test("a stage that runs has a bar in the control room, beside its job and on the page of its city", async () => {
    const server = await crawled(new Commons());
    const seen = await inControlRoom(browser, server, "/jobs");
    const { page } = seen;
    const row = page.getByRole("region", { name: "Jobs, the newest first" }).getByRole("row").nth(1);
    const bar = page.getByLabel(/kept 1 · 1 of 4/);
    await row.getByRole("cell", { name: /^running 1 of 5 attempts by \S+$/ }).waitFor();
    await bar.waitFor();
    assert.equal(await bar.evaluate((one: HTMLProgressElement) => one.position), 0.25);
    await page.getByRole("region", { name: "Queues" }).getByRole("row", { name: "collecting 0 1 0" }).waitFor();
    await isFine(page);
    await row.getByRole("link", { name: "Berlin" }).click();
    await page.locator(".pipeline [aria-current]").getByText("crawling").waitFor();
    await bar.waitFor();
    assert.equal(await bar.evaluate((one: HTMLProgressElement) => one.position), 0.25);
    await isFine(page);
    await ended(seen);
  });

  test("a job that runs is cancelled in the control room, and its city is paused", async () => {
    const server = await crawled(new Commons());
    const seen = await inControlRoom(browser, server, "/jobs");
    const { page } = seen;
    const row = page.getByRole("region", { name: "Jobs, the newest first" }).getByRole("row").nth(1);
    await row.getByRole("cell", { name: /^running 1 of 5 attempts/ }).waitFor();
    await row.getByRole("button", { name: "Cancel the job" }).click();
    await row.getByRole("button", { name: "Yes, cancel it" }).click();
    // Its worker hears of it with the next sign of life that it gives, which is every twenty seconds.
    await row.getByRole("cell", { name: /^cancelled/ }).waitFor();
    await row.getByRole("link", { name: "Berlin" }).click();
    await page.locator(".pipeline [aria-current]").getByText("paused").waitFor();
    await ended(seen);
  });

  test("a city that has failed tells its stage and the reason in the control room, and goes on when it is retried", async () => {
    const commons = new Commons();
    commons.isRefusing = true;
    const server = await crawled(commons);
    const seen = await inControlRoom(browser, server);
    const { page } = seen;
    const berlin = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: "Berlin" }) });
    await berlin.getByText("failed", { exact: true }).waitFor();
    await berlin.getByText("Failed in this stage: crawl.").waitFor();
    await berlin.getByText(/^Reason: .*commons.*403/).waitFor();
    await isFine(page);
    commons.isRefusing = false;
    await berlin.getByRole("button", { name: "Retry: Berlin" }).click();
    await berlin.getByText("crawling", { exact: true }).waitFor();
    await berlin.getByRole("progressbar").waitFor();
    assert.equal(await berlin.getByText("Reason:").count(), 0);
    await ended(seen);
  });

  test("a job that was given up is counted in the control room, tells why, and is tried again", async () => {
    const commons = new Commons();
    commons.isRefusing = true;
    const server = await crawled(commons);
    const seen = await inControlRoom(browser, server, "/jobs");
    const { page } = seen;
    const rows = page.getByRole("region", { name: "Jobs, the newest first" }).getByRole("row");
    await page.getByRole("button", { name: "Given up: 1" }).click();
    await page.getByRole("row", { name: "collecting 0 0 1" }).waitFor();
    await rows.nth(1).getByText("given up").waitFor();
    await rows.nth(1).getByText(/commons.*403/).waitFor();
    await until("it alone is listed", async () => (await rows.count()) === 2);
    await isFine(page);
    commons.isRefusing = false;
    await rows.nth(1).getByRole("button", { name: "Try again" }).click();
    await page.getByRole("button", { name: "Given up: 0" }).waitFor();
    await page.getByText("There are no such jobs.").waitFor();
    await page.getByLabel("State").selectOption("running");
    await rows.nth(1).getByRole("cell", { name: /^running .* attempts/ }).waitFor();
    await page.getByRole("row", { name: "collecting 0 1 0" }).waitFor();
    await ended(seen);
  });
});
