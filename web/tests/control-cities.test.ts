/** Cities and models in the control room, as an operator looks after them. */
import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { askAdmin, inControlRoom, TOKEN, VARIABLES } from "./admin";
import { ended, isFine, launch } from "./browser";
import { giveModel, needsData, run, Server, SIGHTS, until } from "./server";

let server: Server;
let browser: Browser;

async function state(slug: string): Promise<string> {
  return (await askAdmin<{ state: string }>(server, `/v1/cities/${slug}`)).state;
}

function decide(page: Page, decision: string, city: string): Promise<void> {
  return page.getByRole("button", { name: `${decision}: ${city}` }).click();
}

/** Answers with the events of a training, the last of which begins anew. */
function training(...epochs: number[]): string {
  const happened = { city: "berlin", stage: "train", state: null, done: null, total: null, message: null, at: Date.now() };
  return epochs
    .map((epoch, index) => {
      const losses = { box_loss: 1 / epoch, object_loss: 2 / epoch, class_loss: 3 / epoch };
      const measured = { map50: epoch === 1 ? null : 0.1 * epoch, map50_95: epoch === 1 ? null : 0.05 * epoch };
      const data = { ...happened, epoch: { epoch, ...losses, ...measured, rate: 0.01, images_per_second: 12.5 } };
      return `event: epoch\nid: ${index + 1}\ndata: ${JSON.stringify(data)}\n\n`;
    })
    .join("");
}

describe("the control room of cities", needsData, () => {
  before(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
    run(folder, ["crawl", "Berlin", "--sights", "demo", "--sources", "demo", "--limit", "4"]);
    run(folder, ["label", "Berlin", "--labellers", "demo"]);
    await giveModel(folder, "Berlin", SIGHTS);
    await giveModel(folder, "Berlin", { car: "Siegessaeule" }, "yolox_nano.onnx");
    // Whoever asks alone approves nothing.
    server = await Server.start("api", ["--request-threshold", "2"], folder, VARIABLES);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("a city that is asked for appears in the control room, and is approved, paused and resumed there", async () => {
    const seen = await inControlRoom(browser, server);
    const { page } = seen;
    await page.getByRole("link", { name: "Berlin" }).waitFor();
    assert.equal(await page.getByText("People who have asked").count(), 0, "requests are counted on the page of a city only");
    await server.ask("Paris");
    const paris = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: "Paris" }) });
    await paris.getByText("asked for").waitFor();
    // Berlin and Paris may cost a thousand each.
    await page.getByRole("region", { name: "All cities together" }).getByText("0 of 2,000").waitFor();
    await decide(page, "Approve", "Paris");
    await paris.getByText("approved").waitFor();
    await decide(page, "Pause", "Paris");
    await paris.getByText("paused").waitFor();
    assert.equal(await state("paris"), "paused");
    await decide(page, "Resume", "Paris");
    await paris.getByText("approved").waitFor();
    await isFine(page);
    await ended(seen);
  });

  test("a decision in the control room that comes too late is told beside its city", async () => {
    await server.ask("Rome");
    const seen = await inControlRoom(browser, server);
    const { page } = seen;
    const rome = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: "Rome" }) });
    const approve = rome.getByRole("button", { name: "Approve: Rome" });
    await approve.waitFor();
    // The page does not hear of it before it decides itself.
    await page.route("**/v1/cities?**", (route) => route.abort());
    await page.getByRole("alert").getByText("The newest answer did not arrive").waitFor();
    await askAdmin(server, "/v1/cities/rome/approve", "POST");
    await approve.click();
    await rome.getByRole("alert").getByText("That was not done").waitFor();
    await seen.context.close();
  });

  test("the page of a city in the control room shows what happens without being loaded again", async () => {
    await server.ask("Vienna");
    const seen = await inControlRoom(browser, server, "/city/vienna");
    const { page } = seen;
    const here = page.locator(".pipeline [aria-current]");
    await here.getByText("asked for").waitFor();
    await page.getByText("People who have asked: 1; the city is approved by 2. Requests: 1.").waitFor();
    await page.getByText("Paid calls of labelling services: 0 of").waitFor();
    await askAdmin(server, "/v1/cities/vienna/approve", "POST");
    await here.getByText("approved").waitFor();
    await page.locator(".log li").getByText("approved").waitFor();
    await page.getByLabel("Reason (optional)").fill("the sights are being repaired");
    await decide(page, "Pause", "Vienna");
    await page.getByText("Reason: the sights are being repaired").waitFor();
    const history = page.getByRole("region", { name: "History of its states" });
    await history.getByRole("row", { name: /approved → paused admin the sights are being repaired/ }).waitFor();
    await ended(seen);
  });

  test("the crawl report of the control room shows sights, licences and pictures", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const sights = page.getByRole("region", { name: "Sights" });
    const rows = sights.getByRole("row").filter({ has: page.getByRole("rowheader") });
    await rows.first().waitFor();
    const kept = await rows.locator("td:nth-child(2)").allInnerTexts();
    assert.ok(kept.length > 1 && kept.every((count) => Number(count) > 0), kept.join());
    await page.getByRole("region", { name: "Licences" }).getByRole("cell", { name: "accepted" }).first().waitFor();
    await page.getByRole("region", { name: "What became of the pictures" }).getByRole("cell", { name: "kept" }).first().waitFor();
    const pictures = page.locator(".pictures li");
    await until("pictures are shown", async () => (await pictures.count()) > 0);
    const first = await pictures.count();
    await until("they have come", () =>
      page.evaluate(() => [...document.querySelectorAll<HTMLImageElement>(".pictures img")].every((one) => one.naturalWidth > 1)),
    );
    await page.getByRole("button", { name: "Show more" }).click();
    await until("more are shown", async () => (await pictures.count()) > first);
    await page.getByLabel("quarantined").check();
    await page.getByText("There are no such pictures.").waitFor();
    await isFine(page);
    await ended(seen);
  });

  test("a picture in quarantine is judged in the control room", async () => {
    const { items } = await askAdmin<{ items: { id: string }[] }>(server, "/v1/cities/berlin/images?limit=1");
    const { id } = items[0]!;
    const init = { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" } };
    await fetch(`${server.url}/v1/images/${id}/review`, { ...init, body: JSON.stringify({ review: "quarantined" }) });
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const review = async () => (await askAdmin<{ review: string }>(server, `/v1/images/${id}`)).review;
    await page.getByLabel("quarantined").check();
    await page.locator(".pictures li").getByRole("button", { name: "Accept" }).click();
    await page.getByText("There are no such pictures.").waitFor();
    assert.equal(await review(), "accepted");
    await ended(seen);
  });

  test("models are compared in the control room, promoted and rolled back, and the guide's model is another one", async () => {
    const seen = await inControlRoom(browser, server, "/city/berlin");
    const { page } = seen;
    const live = async () => (await askAdmin<{ version: string }>(server, "/v1/models/berlin")).version;
    const versions = page.getByRole("region", { name: "Versions" });
    const ledger = page.getByRole("region", { name: "Ledger" });
    await versions.getByRole("row", { name: /^2 live/ }).waitFor();
    const before = await live();
    await page.getByLabel("Compare version 1").check();
    await page.getByLabel("Compare version 2").check();
    await page.getByRole("region", { name: "Overall" }).getByRole("row", { name: /^Size .* [+−]/ }).waitFor();
    await page.getByRole("button", { name: "Promote version 1" }).click();
    await page.getByText("Shall version 1 answer for Berlin instead of version 2?").waitFor();
    await page.getByLabel("Reason (optional)").last().fill("the new one is worse");
    await page.getByRole("button", { name: "Yes, it shall" }).click();
    await versions.getByRole("row", { name: /^1 live/ }).waitFor();
    await ledger.getByRole("row", { name: /promoted 1 2 admin the new one is worse/ }).waitFor();
    await until("the guide has the older model", async () => (await live()) !== before);
    await page.getByRole("button", { name: "Roll back to version 2" }).click();
    await page.getByRole("button", { name: "Yes, it shall" }).click();
    await versions.getByRole("row", { name: /^2 live/ }).waitFor();
    await ledger.getByRole("row", { name: /rolled back 2 1 admin/ }).waitFor();
    await until("the guide has the newer model again", async () => (await live()) === before);
    await page.getByRole("button", { name: "Details of version 1" }).click();
    await page.getByText("It was imported").waitFor();
    await isFine(page);
    await ended(seen);
  });

  test("curves of a training are drawn in the control room, and begin anew with it", async () => {
    const seen = await inControlRoom(browser, server);
    const { page } = seen;
    let body = training(1, 2, 3);
    await page.route("**/v1/cities/berlin/events", (route) => route.fulfill({ contentType: "text/event-stream", body }));
    await page.getByRole("link", { name: "Berlin" }).click();
    const line = page.getByRole("figure", { name: "Losses" }).locator("polyline").first();
    await page.getByText("Epoch 3, 12.5 pictures a second.").waitFor();
    const points = async () => (await line.getAttribute("points"))!.split(" ").length;
    assert.equal(await points(), 3);
    // The browser asks again, and hears of another training.
    body = training(1, 2, 3, 1, 2);
    await page.getByText("Epoch 2, 12.5 pictures a second.").waitFor();
    assert.equal(await points(), 2);
    await isFine(page);
    await ended(seen);
  });
});
