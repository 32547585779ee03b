/** Models that were really trained, in the control room. */
import assert from "node:assert/strict";
import { mkdtemp, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";
import { askAdmin, inControlRoom, VARIABLES } from "./admin";
import { ended, isFine, launch } from "./browser";
import { giveModel, needsData, run, Server, SIGHTS, until } from "./server";

const EPOCHS = 2;

interface Model {
  size: number;
  metrics: { classes: { label: string; instances: number }[]; images: number; instances: number; verdict: string };
  history: { epoch: number }[];
  sheet: { there: unknown[]; found: unknown[] }[];
}

let server: Server;
let browser: Browser;

/** As fast as a training can be; a candidate must be so much better than the model that is live. */
function settings(better: number): string {
  return [
    "[train]",
    "shares = [0.5, 0.25, 0.25]",
    "[train.gate]",
    "least = 0.0",
    `margin = ${-better}`,
    "[train.learning]",
    "size = 192",
    "batch = 4",
    "pictures_per_update = 4",
    "freeze_backbone = true",
    "augmentation = { mosaic = 0.0 }",
  ].join("\n");
}

/** A training from the shell; it fails where the gate rejects what came of it. */
async function train(folder: string, better: number): Promise<void> {
  const file = path.join(folder, "train.toml");
  await writeFile(file, settings(better));
  run(folder, ["train", "Berlin", "--epochs", `${EPOCHS}`, "--min-images", "1", "--config", file]);
}

function model(version: number): Promise<Model> {
  return askAdmin<Model>(server, `/v1/cities/berlin/models/${version}`);
}

async function details(page: Page, version: number): Promise<Locator> {
  await page.getByRole("button", { name: `Details of version ${version}` }).click();
  const shown = page.locator("section.card").filter({ has: page.getByRole("heading", { name: `Version ${version}` }) });
  await shown.getByText("Verdict of the gate").waitFor();
  return shown;
}

/** What a figure says, by its name. */
function figure(shown: Locator, name: string): Locator {
  return shown.locator(".figures > div").filter({ hasText: name }).locator("dd");
}

describe("models of trainings in the control room", needsData, () => {
  before(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
    run(folder, ["crawl", "Berlin", "--sights", "demo", "--sources", "demo", "--sights-limit", "2", "--limit", "8"]);
    run(folder, ["label", "Berlin", "--labellers", "demo"]);
    await train(folder, 0);
    // No candidate can be better by more than all there is.
    await assert.rejects(train(folder, 2));
    await giveModel(folder, "Berlin", SIGHTS);
    server = await Server.start("api", [], folder, VARIABLES);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("a trained model tells in the control room how it was trained and how good it is, class by class", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const { metrics } = await model(1);
    const shown = await details(page, 1);
    assert.equal(await figure(shown, "Verdict of the gate").innerText(), metrics.verdict);
    assert.match(metrics.verdict, /^accepted: mAP@0\.5 is [\d.]+ on \d+ test pictures$/);
    assert.match(await figure(shown, "Trained from").innerText(), /^landmarks, .+/);
    assert.match(await figure(shown, "Epochs").innerText(), /^2, the best was number [12]$/);
    assert.equal(await figure(shown, "Tested on").innerText(), `${metrics.images} pictures with ${metrics.instances} boxes`);
    assert.equal(await figure(shown, "Live then").count(), 0);
    const rows = shown.getByRole("region", { name: "Average precision by class" }).getByRole("row");
    assert.equal(await rows.count(), metrics.classes.length + 1);
    for (const { label, instances } of metrics.classes) {
      await shown.getByRole("row", { name: new RegExp(`^${label} ${instances}( (–|[\\d.]+%)){4}$`, "i") }).waitFor();
    }
    await isFine(page);
    await ended(seen);
  });

  test("the control room draws the curves of a training that is over, and the contact sheet of its model", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const { history, sheet } = await model(1);
    const shown = await details(page, 1);
    assert.deepEqual(history.map(({ epoch }) => epoch), [1, 2]);
    for (const name of ["Losses", "Mean average precision"]) {
      const line = shown.getByRole("figure", { name }).locator("polyline.line").first();
      assert.equal((await line.getAttribute("points"))!.split(" ").length, EPOCHS, name);
    }
    const pictures = shown.locator(".pictures li");
    assert.equal(await pictures.count(), sheet.length);
    assert.equal(await shown.locator(".truth").count(), sheet.flatMap(({ there }) => there).length);
    assert.equal(await shown.locator(".guess").count(), sheet.flatMap(({ found }) => found).length);
    await pictures.getByText(/^There: [A-Za-z, ]+$/).first().waitFor();
    await until("the pictures have come", () =>
      shown.locator("img").evaluateAll((images) => images.every((image) => (image as HTMLImageElement).naturalWidth > 1)),
    );
    await isFine(page);
    await ended(seen);
  });

  test("a model that the gate has rejected is kept in the control room with the reason", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const { metrics } = await model(2);
    await page.getByRole("region", { name: "Versions" }).getByRole("row", { name: /^2 rejected/ }).waitFor();
    await page.getByRole("region", { name: "Ledger" }).getByRole("row", { name: /rejected 2 – .* is allowed/ }).waitFor();
    const shown = await details(page, 2);
    assert.equal(await figure(shown, "Verdict of the gate").innerText(), metrics.verdict);
    assert.match(metrics.verdict, /^rejected: .* that of the live version 1 /);
    assert.match(await figure(shown, "Trained from").innerText(), /^version 1/);
    assert.match(await figure(shown, "Live then").innerText(), /^version 1: mAP@0\.5 [\d.]+%, mAP@0\.5:0\.95 [\d.]+%$/);
    await ended(seen);
  });

  test("a trained model is compared in the control room with another one and with one that was imported", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const overall = page.getByRole("region", { name: "Overall" });
    const classes = page.getByRole("region", { name: "Average precision by class" });
    await page.getByLabel("Compare version 1").check();
    await page.getByLabel("Compare version 2").check();
    await overall.getByRole("row", { name: /^mAP@0\.5 [\d.]+% [\d.]+% [+−±][\d.]+ points$/ }).waitFor();
    assert.equal(await classes.getByRole("row").count(), (await model(1)).metrics.classes.length + 1);
    // The one that was chosen first is let go.
    await page.getByLabel("Compare version 3").check();
    await page.getByRole("heading", { name: "Version 2 and version 3" }).waitFor();
    await overall.getByRole("row", { name: /^mAP@0\.5 [\d.]+% – –$/ }).waitFor();
    await overall.getByRole("row", { name: /^Size \S+ \S+ \S+ \S+ [+−]/ }).waitFor();
    await isFine(page);
    await ended(seen);
  });

  test("the file of a model is downloaded from its details in the control room", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const shown = await details(page, 1);
    const downloading = page.waitForEvent("download");
    await shown.getByRole("link", { name: "Download (ONNX)" }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), "berlin-1.onnx");
    assert.equal((await stat((await download.path())!)).size, (await model(1)).size);
    await ended(seen);
  });
});
