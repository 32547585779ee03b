/** Cities on the device: downloads, detection there, and a server that is gone. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import type { Browser, Page, Route } from "playwright-core";
import { overlap } from "../src/detect/read";
import type { Model, Report } from "../src/api";
import { BUS, ended, filming, give, launch, visit, type Visit, type Visitor } from "./browser";
import { berlin, DATA, giveModel, needsData, Server, SIGHTS, until } from "./server";

const SCALE = Number(process.env["SIGHTSCAN_TEST_SCALE"] ?? 0.1);
/** In the full tier all pictures of the course are compared. */
const PICTURES = Math.ceil(128 * SCALE);
const NETWORKS = ["yolov5n.onnx", "yolox_nano.onnx"];
/** A graphics processor in software takes seconds for a picture, and many of them with the larger network. */
const BY_SOFTWARE = { pictures: Math.ceil(16 * SCALE), networks: SCALE < 1 ? ["yolox_nano.onnx"] : NETWORKS };

let server: Server;
let browser: Browser;

async function chosen(url = server.url, visitor?: Visitor): Promise<Visit> {
  const seen = await visit(browser, url, visitor);
  await seen.page.getByLabel("City", { exact: true }).selectOption("berlin");
  return seen;
}

/** Has the city on the device. */
async function downloaded(url?: string, visitor?: Visitor): Promise<Visit> {
  const seen = await chosen(url, visitor);
  await seen.page.getByRole("button", { name: "OK" }).click();
  await seen.page.getByText("Ready for Detection!").waitFor();
  return seen;
}

async function look(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Start Detection" }).click();
  await page.getByRole("status").getByText(/^Found: .*Brandenburger Tor/).waitFor();
}

/** Where a page sends anything to. */
function sendings(page: Page): string[] {
  const sent: string[] = [];
  page.on("websocket", (socket) => sent.push(socket.url()));
  page.on("request", (request) => {
    if (request.method() !== "GET") sent.push(request.url());
  });
  return sent;
}

/** Lets no file of a model come until what it gives back is called. */
async function stall(page: Page): Promise<() => void> {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.route("**/v1/models/*/file", async (route) => {
    await released;
    // Whoever has cancelled waits for nothing any more.
    await route.continue().catch(() => {});
  });
  return release;
}

/** The cities that are recorded as being on the device. */
function recorded(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    (JSON.parse(localStorage.getItem("models") ?? "[]") as { city: string; model: { version: string } }[]).map(
      ({ city, model }) => `${city}=${model.version}`,
    ),
  );
}

describe("cities on the device", needsData, () => {
  before(async () => {
    server = await berlin();
    browser = await filming(server.folder);
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("row 50: a city is offered, downloaded and ready; without it nothing is sent anywhere", async () => {
    const seen = await chosen();
    const { page } = seen;
    const sent = sendings(page);
    await page.getByText("Do you want to download Berlin?").waitFor();
    await page.getByText(/When downloaded, sights of Berlin can be detected.* Version 1, 7\.\d MB/).waitFor();
    await give(page, BUS);
    assert.equal(await page.getByRole("button", { name: "Start Detection" }).isDisabled(), true);
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByText("You can start detecting sights in Berlin!").waitFor();
    await look(page);
    await page.getByRole("button", { name: "Start camera" }).click();
    await page.locator(".stage video").waitFor();
    await look(page);
    await page.getByRole("button", { name: "Stop Detection" }).click();
    assert.deepEqual(sent, []);
    await ended(seen);
  });

  test("row 50: whoever cancels a download, or thinks again, can go on", async () => {
    const seen = await chosen(server.url, { isKept: false });
    const { page } = seen;
    const release = await stall(page);
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByLabel(/^0 kB of 7\.\d MB$/).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Do you want to download Berlin?").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await page.getByLabel("City", { exact: true }).inputValue(), "berlin");
    await page.getByRole("button", { name: "Download Berlin" }).click();
    release();
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByText("Ready for Detection!").waitFor();
    await ended(seen);
  });

  test("row 51, W-C27: only what came whole and undamaged is recorded", async () => {
    const seen = await chosen(server.url, { isKept: false });
    const { page } = seen;
    const spoilt: [what: RegExp, spoil: (body: Buffer) => Parameters<Route["fulfill"]>[0]][] = [
      [/the file is damaged/, (body) => ({ body: Buffer.from(body).fill(0, 1000, 1010) })],
      [/only 5000 of \d+ bytes came/, (body) => ({ body: body.subarray(0, 5000) })],
      [/the disk is broken/, () => ({ status: 500, json: { type: "urn:sightscan:problem:internal", detail: "the disk is broken" } })],
    ];
    for (const [what, spoil] of spoilt) {
      await page.route("**/v1/models/*/file", async (route) => {
        const response = await route.fetch();
        await route.fulfill(spoil(await response.body()));
      });
      await page.getByRole("button", { name: "OK" }).click();
      await page.getByRole("alert").getByText(new RegExp(`The download failed: ${what.source}`)).waitFor();
      assert.deepEqual(await recorded(page), []);
      assert.equal(await page.getByText("Ready for Detection!").count(), 0);
      await page.unroute("**/v1/models/*/file");
    }
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByText("Ready for Detection!").waitFor();
    assert.deepEqual(await recorded(page), ["berlin=1"]);
    await page.getByRole("button", { name: "Remove it from this device" }).click();
    await page.getByText("Do you want to download Berlin?").waitFor();
    assert.deepEqual(await recorded(page), []);
    await seen.context.close();
    // The browser tells of the answer 500, which is what was wanted.
    assert.ok(seen.complaints.every((text) => text.includes("500")), seen.complaints.join("\n"));
  });

  test("W-C28: answers that make no sense break nothing", async () => {
    const seen = await visit(browser, server.url, { isKept: false });
    const { page } = seen;
    const answered = async (path: string, body: string) => {
      await page.route(path, (route) => route.fulfill({ status: 200, body }));
      await page.reload();
    };
    const nonsense = page.getByText("what it says makes no sense");
    for (const body of ["<html>", "{}", "null", '{"items":null}']) {
      await answered("**/v1/models", body);
      await nonsense.waitFor();
    }
    const model = (await (await fetch(`${server.url}/v1/models/berlin`)).json()) as object;
    for (const wrong of [7, "x", {}, { ...model, version: 7 }, { ...model, classes: null }]) {
      await answered("**/v1/models", JSON.stringify({ items: [wrong, null] }));
      await page.getByRole("option", { name: "Berlin (no model yet)" }).waitFor({ state: "attached" });
    }
    await page.getByLabel("Debug").check();
    await page.locator(".log").getByText("/v1/models: 2 of 2 items make no sense and are left out").waitFor();
    await answered("**/v1/models", JSON.stringify({ items: [{ ...model, version: null }] }));
    await page.getByRole("option", { name: "Berlin", exact: true }).waitFor({ state: "attached" });
    await answered("**/v1/cities?**", JSON.stringify({ items: [{ slug: "berlin", name: "Berlin", state: "dancing" }, 7] }));
    await page.getByText("This server has no cities yet").waitFor();
    await page.unrouteAll();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await page.getByRole("option", { name: "Berlin", exact: true }).waitFor({ state: "attached" });
    await ended(seen);
  });

  test("W-P7: a network is loaded once, beside the page", async () => {
    const seen = await downloaded();
    const { page } = seen;
    await give(page, BUS);
    await page.getByLabel("Debug").check();
    await look(page);
    await page.getByRole("button", { name: "Start Detection" }).waitFor();
    const lines = () => page.locator(".log").innerText();
    const before = (await lines()).split("\n").length;
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.waitForFunction((before) => document.querySelector(".log")!.textContent!.split("\n").length > before + 1, before);
    assert.equal((await lines()).match(/the network is computed on this device/g)?.length, 1);
    assert.equal(page.workers().filter((worker) => worker.url().includes("/assets/worker-")).length, 1);
    await ended(seen);
  });

  test("row 49: without a server a city on the device is listed and detects, also after a reload", async () => {
    const alone = await berlin();
    await alone.ask("Lisbon");
    const seen = await downloaded(alone.url);
    const { page } = seen;
    const isKept = () =>
      page.evaluate(async () => {
        const names = await caches.keys();
        const app = await caches.open(names.find((name) => name.startsWith("app-")) ?? "none");
        return (await app.keys()).some(({ url }) => url.endsWith(".wasm"));
      });
    await until("the runtime is kept", isKept);
    await alone.stop();
    await page.reload();
    await page.getByText("The server cannot be reached").waitFor();
    assert.deepEqual(await page.locator("#city option").allInnerTexts(), ["Choose City", "Berlin"]);
    assert.equal(await page.getByLabel("City", { exact: true }).inputValue(), "berlin");
    await give(page, BUS);
    await page.getByLabel("Debug").check();
    await look(page);
    await page.locator(".log").getByText(/Prediction: Brandenburger Tor; Confidence 0\.\d\d\b/).waitFor();
    await seen.context.close();
    await alone.remove();
  });

  test("row 50, W-C26: an update is offered; whoever declines it goes on with what is there", async () => {
    const alone = await berlin();
    const seen = await downloaded(alone.url, { isKept: false });
    const { page } = seen;
    await giveModel(alone.folder, "Berlin", SIGHTS, "yolox_nano.onnx");
    await until("an update is offered", () =>
      page.evaluate(() => {
        dispatchEvent(new Event("online"));
        return document.body.innerText.includes("Update available");
      }),
    );
    await page.getByText("If you choose not to download, the detection will still work.").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await page.getByLabel("City", { exact: true }).inputValue(), "berlin");
    await give(page, BUS);
    await look(page);
    assert.deepEqual(await recorded(page), ["berlin=1"]);
    // Nor does one that is stopped half way take away what is there.
    const release = await stall(page);
    await page.getByRole("button", { name: "Update to version 2" }).click();
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByLabel(/^0 kB of/).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await look(page);
    assert.deepEqual(await recorded(page), ["berlin=1"]);
    await page.reload();
    release();
    await page.getByRole("heading", { name: "Update available" }).waitFor();
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByText("Version 2").waitFor();
    assert.deepEqual(await recorded(page), ["berlin=2"]);
    await give(page, BUS);
    await look(page);
    await ended(seen);
    await alone.remove();
  });

  for (const network of NETWORKS) {
    test(`the device and the server see the same (${network})`, async (context) => {
      await compareAll(context, browser, network, "wasm", PICTURES);
    });
  }
});

describe("cities on a device with a graphics processor", needsData, () => {
  let graphics: Browser;
  before(async () => {
    // Where there is none Chromium has one in software.
    graphics = await launch(undefined, ["--enable-unsafe-webgpu"]);
  });
  after(async () => {
    await graphics?.close();
    await Server.removeAll();
  });

  for (const network of BY_SOFTWARE.networks) {
    test(`WebGPU and the server see the same (${network})`, async (context) => {
      await compareAll(context, graphics, network, "webgpu", BY_SOFTWARE.pictures);
    });
  }
});

/** Asserts that the device and the server find the same in so many pictures. */
async function compareAll(context: TestContext, browser: Browser, network: string, backend: string, count: number): Promise<void> {
  const alone = await berlin(network);
  const { page, context: profile } = await visit(browser, alone.url);
  assert.equal(await openWorker(page), backend);
  const all = (await readdir(path.join(DATA, "iweblens"))).sort().slice(0, count);
  const agreement = { boxes: 0, agreed: 0 };
  for (const name of all) {
    const bytes = await readFile(path.join(DATA, "iweblens", name));
    const [here, there] = [await onDevice(page, bytes), await onServer(alone, bytes)];
    compare(here, there, agreement);
    compare(there, here, agreement);
  }
  const share = agreement.agreed / agreement.boxes;
  context.diagnostic(`${all.length} pictures, ${agreement.boxes} boxes, ${(100 * share).toFixed(2)} % agree`);
  assert.ok(agreement.boxes > all.length && share >= 0.98, JSON.stringify(agreement));
  await profile.close();
  await alone.remove();
}

/** Opens the worker of the app with the city's network, without the page around it; what computes it. */
async function openWorker(page: Page): Promise<string> {
  // What is live is served a moment after the server has started.
  await page.locator("#city option[value=berlin]").waitFor({ state: "attached" });
  await until("berlin is served", () => page.evaluate(async () => (await fetch("/v1/models/berlin")).ok));
  return await page.evaluate(async () => {
    const shell = await (await fetch("/service-worker.js")).text();
    const worker = new Worker(/\/assets\/worker-\w+\.js/.exec(shell)![0], { type: "module" });
    const order = (message: unknown) =>
      new Promise<{ kind: string; backend?: string }>((resolve) => {
        worker.onmessage = ({ data }) => resolve(data as { kind: string; backend?: string });
        worker.postMessage(message);
      });
    const { items } = (await (await fetch("/v1/models")).json()) as { items: Model[] };
    const model = items.find(({ name }) => name === "berlin");
    const bytes = await (await fetch("/v1/models/berlin/file")).arrayBuffer();
    const answer = await order({ kind: "open", bytes, model });
    if (answer.kind !== "opened") throw new Error(JSON.stringify(answer));
    Object.assign(window, { order });
    return answer.backend!;
  });
}

async function onDevice(page: Page, picture: Buffer): Promise<Report> {
  return await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
    const { order } = window as unknown as { order(message: unknown): Promise<{ kind: string; report: Report }> };
    const answer = await order({ kind: "look", picture: bitmap });
    if (answer.kind !== "seen") throw new Error(JSON.stringify(answer));
    return answer.report;
  }, picture.toString("base64"));
}

async function onServer(server: Server, picture: Buffer): Promise<Report> {
  const response = await fetch(`${server.url}/v1/detect?model=berlin`, { method: "POST", body: new Uint8Array(picture) });
  return (await response.json()) as Report;
}

/** Counts the boxes of one side with a confidence of at least 0.35, and those that the other side has, too. */
function compare(one: Report, other: Report, counts: { boxes: number; agreed: number }): void {
  for (const box of one.detections ?? []) {
    if (box.confidence < 0.35) continue;
    counts.boxes += 1;
    const isThere = (other.detections ?? []).some(
      (found) =>
        found.label === box.label &&
        overlap(found.box, box.box) >= 0.9 &&
        Math.abs(found.confidence - box.confidence) <= 0.05,
    );
    if (isThere) counts.agreed += 1;
  }
}
