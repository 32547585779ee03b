/** The studio, as a labeller uses it, on pictures of the invented city that a machine has labelled. */
import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser, CDPSession, Locator, Page } from "playwright-core";
import { askAdmin, TOKEN, VARIABLES } from "./admin";
import { ended, isFine, launch, profile, visit, type Visit } from "./browser";
import { run, Server, until } from "./server";

/** Reviewers are shown different pictures. */
let reviewers = 0;

let server: Server;
let browser: Browser;

interface Review {
  image: string;
  verdict: string;
  undone_at: number | null;
}

interface Merge {
  label: string;
  canonical: string;
  undone: boolean;
}

async function reviews(reviewer: string): Promise<Review[]> {
  return (await askAdmin<{ items: Review[] }>(server, `/v1/label/reviews?city=berlin&reviewer=${reviewer}`)).items;
}

/** Enters the studio by keyboard alone. */
async function entered(city = "Berlin"): Promise<Visit & { reviewer: string }> {
  reviewers += 1;
  const reviewer = `anna${reviewers}`;
  const seen = await visit(browser, `${server.url}/#/studio`, { isKept: false });
  const { page } = seen;
  await page.getByLabel("Administrator's token").focus();
  await page.keyboard.type(TOKEN);
  await page.keyboard.press("Enter");
  await page.getByLabel("Your name").focus();
  await page.keyboard.type(reviewer);
  await page.keyboard.press("Tab");
  await page.getByRole("option", { name: city }).waitFor({ state: "attached" });
  await page.keyboard.type(city);
  await page.getByLabel("Your name").focus();
  await page.keyboard.press("Enter");
  await shown(page);
  // They come beside the picture.
  await page.locator(".names li").first().waitFor();
  return { ...seen, reviewer };
}

/** The address of the picture that is shown, once it is another one. */
async function shown(page: Page, before: string | null = null): Promise<string> {
  const found = await page.waitForFunction((before) => {
    const source = document.querySelector<HTMLImageElement>(".sheet img")?.src;
    return source !== undefined && source !== before && source;
  }, before);
  return String(await found.jsonValue());
}

function boxes(page: Page): Promise<number> {
  return page.locator(".boxes li").count();
}

/** Removes what machines have found, which may lie where somebody draws. */
async function cleared(page: Page): Promise<void> {
  for (let left = await boxes(page); left > 0; left = await boxes(page)) await page.keyboard.press("Delete");
}

function button(page: Page, name: string): Locator {
  return page.getByRole("button", { name, exact: true });
}

/** A place in the picture, in parts of it. */
type Place = readonly [number, number];

/** Presses the mouse at one place in the picture and lets it go at another. */
async function drag(page: Page, from: Place, to: Place): Promise<void> {
  const sheet = page.locator(".sheet");
  await sheet.scrollIntoViewIfNeeded();
  const area = (await sheet.boundingBox())!;
  const at = ([x, y]: Place) => [area.x + x * area.width, area.y + y * area.height] as const;
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at(to), { steps: 4 });
  await page.mouse.up();
}

/** Left, top, width and height of the selected box, in parts of the picture. */
function selected(page: Page): Promise<number[]> {
  const outline = page.locator(".outline.selected");
  return outline.evaluate((rect) => ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name))));
}

async function isSelected(page: Page, expected: readonly number[]): Promise<void> {
  const found = await selected(page);
  const isNear = found.every((value, index) => Math.abs(value - expected[index]!) < 0.005);
  assert.ok(isNear, `${found} instead of ${expected}`);
}

/** Whether the selected box lies in the part of the picture that is seen. */
function isInView(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const [frame, box] = [".editor", ".outline.selected"].map((name) => document.querySelector(name)!.getBoundingClientRect());
    const isWithin = (least: number, value: number, most: number) => value >= least - 1 && value <= most + 1;
    return [
      isWithin(frame!.left, box!.left, frame!.right),
      isWithin(frame!.left, box!.right, frame!.right),
      isWithin(frame!.top, box!.top, frame!.bottom),
      isWithin(frame!.top, box!.bottom, frame!.bottom),
    ].every(Boolean);
  });
}

function zoom(page: Page): Promise<string | null> {
  return page.locator(".sheet").getAttribute("data-zoom");
}

type Touch = "touchStart" | "touchMove" | "touchEnd";

/** Fingers on the picture, each at its place; those that are no longer named are lifted. */
async function touch(page: Page, session: CDPSession, type: Touch, places: readonly Place[]): Promise<void> {
  const area = (await page.locator(".editor").boundingBox())!;
  const touchPoints = places.map(([x, y], id) => ({ id, x: area.x + x * area.width, y: area.y + y * area.height }));
  await session.send("Input.dispatchTouchEvent", { type, touchPoints });
}

describe("the studio", () => {
  before(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sightscan-web-"));
    run(folder, ["crawl", "Berlin", "--sights", "demo", "--sources", "demo", "--limit", "20"]);
    run(folder, ["label", "Berlin", "--labellers", "demo"]);
    // A city where one sight is called otherwise than the labeller calls it.
    const sights = path.join(folder, "sights.txt");
    await writeFile(sights, "tower\nBridges\n");
    run(folder, ["crawl", "Paris", "--sights", sights, "--sources", "demo", "--limit", "20"]);
    run(folder, ["label", "Paris", "--labellers", "demo"]);
    run(folder, ["warehouse", "refresh"]);
    server = await Server.start("api", [], folder, VARIABLES);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("a wrong token is refused, and the right one lets in", async () => {
    const seen = await visit(browser, `${server.url}/#/studio`);
    await seen.page.getByLabel("Administrator's token").fill("not-the-token-of-this-server");
    await seen.page.getByRole("button", { name: "Enter" }).click();
    await seen.page.getByRole("alert").getByText("This is not the token of this server.").waitFor();
    await seen.page.getByLabel("Administrator's token").fill(TOKEN);
    await seen.page.getByRole("button", { name: "Enter" }).click();
    await seen.page.getByLabel("Your name").waitFor();
    await seen.context.close();
  });

  test("ten pictures that a machine has labelled right take a key each", async () => {
    const seen = await entered();
    let source = await shown(seen.page);
    for (let count = 0; count < 10; count += 1) {
      assert.ok((await boxes(seen.page)) > 0);
      await seen.page.keyboard.press("Enter");
      source = await shown(seen.page, source);
    }
    await isFine(seen.page);
    const said = await reviews(seen.reviewer);
    assert.deepEqual(said.map(({ verdict }) => verdict), Array(10).fill("accept"));
    assert.equal(new Set(said.map(({ image }) => image)).size, 10);
    await ended(seen);
  });

  test("boxes are drawn, moved, named, removed and brought back, and what was made of them is kept", async () => {
    const seen = await entered();
    const { page } = seen;
    const source = await shown(page);
    await cleared(page);
    await drag(page, [0.1, 0.1], [0.3, 0.4]);
    assert.equal(await boxes(page), 1);
    await isSelected(page, [0.1, 0.1, 0.2, 0.3]);
    // It has no name yet, so that it cannot be kept.
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("A box has no name").waitFor();
    await page.keyboard.press("1");
    await page.keyboard.press("ArrowRight");
    await isSelected(page, [0.11, 0.1, 0.2, 0.3]);
    await page.keyboard.press("Delete");
    assert.equal(await boxes(page), 0);
    await page.keyboard.press("z");
    assert.equal(await boxes(page), 1);
    await page.keyboard.press("y");
    assert.equal(await boxes(page), 0);
    await page.keyboard.press("z");
    // By search instead of by number.
    await page.keyboard.press("/");
    await page.keyboard.type("light");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await shown(page, source);
    assert.deepEqual((await reviews(seen.reviewer)).map(({ verdict }) => verdict), ["correct"]);
    await page.keyboard.press("b");
    await until("it is taken back", async () => (await reviews(seen.reviewer))[0]!.undone_at !== null);
    await ended(seen);
  });

  test("what is taken back is shown again, and what was begun meanwhile is kept", async () => {
    const seen = await entered();
    const { page } = seen;
    let source = await shown(page);
    await page.keyboard.press("n");
    source = await shown(page, source);
    const begun = await boxes(page);
    await page.keyboard.press("a");
    await page.keyboard.press("b");
    source = await shown(page, source);
    await page.keyboard.press("x");
    source = await shown(page, source);
    const [again, first] = await reviews(seen.reviewer);
    assert.equal(again!.image, first!.image);
    assert.deepEqual([again!.verdict, first!.verdict], ["reject", "negative"]);
    assert.equal(await boxes(page), begun + 1);
    await ended(seen);
  });

  test("what was only selected is accepted as it was, also after the page was loaded again", async () => {
    const seen = await entered();
    const { page } = seen;
    await page.keyboard.press("j");
    await page.locator(".outline.selected").waitFor();
    await page.reload();
    const source = await shown(page);
    assert.ok(await button(page, "Undo").isDisabled());
    await page.keyboard.press("Enter");
    await shown(page, source);
    assert.deepEqual((await reviews(seen.reviewer)).map(({ verdict }) => verdict), ["accept"]);
    await ended(seen);
  });

  test("a box is moved and resized by mouse, and by arrows", async () => {
    const seen = await entered();
    const { page } = seen;
    await button(page, "Add a box").click();
    await isSelected(page, [0.25, 0.25, 0.5, 0.5]);
    await drag(page, [0.5, 0.5], [0.4, 0.6]);
    await isSelected(page, [0.15, 0.35, 0.5, 0.5]);
    await drag(page, [0.65, 0.85], [0.75, 0.65]);
    await isSelected(page, [0.15, 0.35, 0.6, 0.3]);
    await drag(page, [0.15, 0.35], [0.25, 0.15]);
    await isSelected(page, [0.25, 0.15, 0.5, 0.5]);
    // No further than to the edge of the picture.
    await drag(page, [0.5, 0.4], [0.95, 0.4]);
    await isSelected(page, [0.5, 0.15, 0.5, 0.5]);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowDown");
    await isSelected(page, [0.49, 0.16, 0.5, 0.5]);
    await page.keyboard.press("Shift+ArrowLeft");
    await page.keyboard.press("Shift+ArrowLeft");
    await page.keyboard.press("Shift+ArrowDown");
    await isSelected(page, [0.49, 0.16, 0.48, 0.51]);
    await ended(seen);
  });

  test("keys say that nothing is in a picture, that it is not to be used, and leave it to others", async () => {
    const seen = await entered();
    const { page } = seen;
    let source = await shown(page);
    for (const key of ["n", "x", "s"]) {
      await page.keyboard.press(key);
      source = await shown(page, source);
    }
    const verdicts = (await reviews(seen.reviewer)).map(({ verdict }) => verdict);
    assert.deepEqual(verdicts, ["skip", "reject", "negative"]);
    await ended(seen);
  });

  test("boxes of the picture before are copied", async () => {
    const seen = await entered();
    const { page } = seen;
    const source = await shown(page);
    const copy = button(page, "Copy the last picture's boxes");
    assert.ok(await copy.isDisabled());
    const copied = await boxes(page);
    await page.keyboard.press("c");
    assert.equal(await boxes(page), copied);
    await page.keyboard.press("s");
    await shown(page, source);
    const begun = await boxes(page);
    await page.keyboard.press("c");
    assert.equal(await boxes(page), begun + copied);
    await copy.click();
    assert.equal(await boxes(page), begun + 2 * copied);
    await ended(seen);
  });

  test("everything is done by buttons as well", async () => {
    const seen = await entered();
    const { page } = seen;
    let source = await shown(page);
    const begun = await boxes(page);
    const [undo, redo, zoomIn, zoomOut] = ["Undo", "Redo", "Zoom in", "Zoom out"].map((name) => button(page, name)) as Locator[];
    assert.deepEqual(await Promise.all([undo!, redo!, zoomOut!].map((one) => one.isDisabled())), [true, true, true]);
    assert.equal(await redo!.getAttribute("aria-keyshortcuts"), "Y Control+Y Control+Shift+Z Meta+Shift+Z");
    await button(page, "Add a box").click();
    assert.equal(await boxes(page), begun + 1);
    await undo!.click();
    assert.equal(await boxes(page), begun);
    assert.ok(await undo!.isDisabled());
    await redo!.click();
    assert.equal(await boxes(page), begun + 1);
    await button(page, "Remove the box").click();
    assert.equal(await boxes(page), begun);
    for (const expected of ["2", "3", "4"]) {
      await zoomIn!.click();
      assert.equal(await zoom(page), expected);
    }
    assert.ok(await zoomIn!.isDisabled());
    await zoomOut!.click();
    assert.equal(await zoom(page), "3");
    for (const name of ["Nothing in it", "Not to be used", "Somebody else decides"]) {
      await button(page, name).click();
      source = await shown(page, source);
    }
    await button(page, "Take the last one back").click();
    const skipped = async () => (await reviews(seen.reviewer))[0]!;
    await until("the last one is taken back", async () => (await skipped()).undone_at !== null);
    assert.equal((await skipped()).verdict, "skip");
    await ended(seen);
  });

  test("changes are undone and made again by the keys of other programs, but not while somebody types", async () => {
    const seen = await entered();
    const { page } = seen;
    const begun = await boxes(page);
    const are = async (key: string, expected: number) => {
      await page.keyboard.press(key);
      assert.equal(await boxes(page), expected, key);
    };
    await are("a", begun + 1);
    await are("Control+z", begun);
    await are("Control+Shift+z", begun + 1);
    await are("Meta+z", begun);
    await are("Meta+Shift+z", begun + 1);
    await are("Control+z", begun);
    await are("Control+y", begun + 1);
    await are("Backspace", begun);
    // What is no key of the studio is left to the browser.
    await are("Control+a", begun);
    await are("Alt+a", begun);
    const field = page.getByLabel("Name", { exact: true });
    await field.focus();
    for (const key of ["a", "n", "x", "1", "?", "Delete", "Backspace", "Control+z", "ArrowLeft"]) await are(key, begun);
    assert.ok(!(await page.locator(".shortcuts").getAttribute("open")));
    assert.deepEqual(await reviews(seen.reviewer), []);
    await page.keyboard.press("Escape");
    await are("a", begun + 1);
    await ended(seen);
  });

  test("an enlarged picture follows the selected box, and is moved by arrows where none is", async () => {
    const seen = await entered();
    const { page } = seen;
    await cleared(page);
    await drag(page, [0.02, 0.02], [0.12, 0.12]);
    await drag(page, [0.86, 0.86], [0.96, 0.96]);
    for (const expected of ["2", "3", "4", "4"]) {
      await page.keyboard.press("+");
      assert.equal(await zoom(page), expected);
    }
    await until("the last box is in view", () => isInView(page));
    await page.keyboard.press("k");
    await isSelected(page, [0.02, 0.02, 0.1, 0.1]);
    await until("the box before is in view", () => isInView(page));
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".outline.selected").count(), 0);
    await page.getByRole("region", { name: "The picture and its boxes" }).focus();
    const left = () => page.locator(".editor").evaluate((editor) => editor.scrollLeft);
    const before = await left();
    await page.keyboard.press("ArrowRight");
    await until("the picture is moved", async () => (await left()) > before);
    for (const expected of ["3", "2", "1", "1"]) {
      await page.keyboard.press("-");
      assert.equal(await zoom(page), expected);
    }
    await ended(seen);
  });

  test("a key opens and closes the list of keys", async () => {
    const seen = await entered();
    const { page } = seen;
    const list = page.locator(".shortcuts dl");
    assert.ok(!(await list.isVisible()));
    await page.keyboard.press("?");
    await list.waitFor();
    const row = (text: string) => list.locator("div", { hasText: text }).locator("kbd").allTextContents();
    assert.deepEqual(await row("Redo"), ["Y", "Ctrl+Y", "Ctrl+Shift+Z", "Cmd+Shift+Z"]);
    assert.deepEqual(await row("Zoom in"), ["+"]);
    await page.keyboard.press("?");
    await list.waitFor({ state: "hidden" });
    // Enter is no press of the list's summary any more.
    const source = await shown(page);
    await page.keyboard.press("Enter");
    await shown(page, source);
    await page.getByText("Keys", { exact: true }).click();
    await list.waitFor();
    await ended(seen);
  });

  test("what is labelled, and what people have looked at, is counted", async () => {
    const seen = await entered();
    const { page } = seen;
    const source = await shown(page);
    await page.keyboard.press("n");
    await shown(page, source);
    await page.getByText("Numbers", { exact: true }).click();
    const table = page.getByRole("table", { name: "Numbers" });
    const count = async (name: string) => Number(await table.getByRole("row", { name }).getByRole("cell").textContent());
    await table.waitFor();
    const all = await askAdmin<{ items: Review[] }>(server, "/v1/label/reviews?city=berlin&limit=500");
    const decided = all.items.filter(({ verdict, undone_at }) => verdict !== "skip" && undone_at === null);
    assert.equal(await count("decided about"), new Set(decided.map(({ image }) => image)).size);
    const { open } = await askAdmin<{ open: number }>(server, "/v1/label/next?city=berlin&reviewer=ben");
    assert.equal(await count("still to look at"), open);
    const { counts } = await askAdmin<{ counts: Record<string, number> }>(server, "/v1/cities/berlin");
    assert.equal(await count("With boxes"), counts["labelled"]);
    assert.equal(await table.getByRole("row").count(), 8);
    await ended(seen);
  });

  test("an export and an import tell that they run, and why they fail", async () => {
    const seen = await entered();
    const { page } = seen;
    await page.getByText("Export and import").click();
    let pass = () => {};
    const gate = new Promise<void>((resolve) => (pass = resolve));
    await page.route("**/dataset?*", async (route) => {
      await gate;
      await route.abort();
    });
    await button(page, "Export (yolo)").click();
    await page.getByRole("status").getByText("The data set (yolo) is packed").waitFor();
    await page.getByRole("progressbar", { name: "The data set (yolo) is packed" }).waitFor();
    assert.ok(await button(page, "Export (coco)").isDisabled());
    pass();
    await page.getByRole("alert").getByText("The data set was not exported: the server cannot be reached").waitFor();
    assert.equal(await page.locator("details progress").count(), 0);
    await page.unroute("**/dataset?*");
    const file = { name: "cats.zip", mimeType: "application/zip", buffer: Buffer.from("no ZIP at all") };
    await page.getByLabel("Import a ZIP").setInputFiles(file);
    await page.getByRole("alert").getByText("The data set was not imported: the ZIP cannot be opened").waitFor();
    await button(page, "Export (yolo)").click();
    await page.getByRole("status").getByText(/^berlin-yolo\.zip, \d.* is with your downloads\.$/).waitFor();
    await seen.context.close();
  });

  test("every part of it is accessible, and no wider than a narrow screen", async () => {
    const seen = await entered();
    const { page } = seen;
    await isFine(page);
    await page.keyboard.press("+");
    await page.keyboard.press("+");
    await page.keyboard.press("?");
    for (const name of ["Numbers", "Names that are read as others", "Export and import"]) {
      await page.getByText(name, { exact: true }).click();
    }
    await page.getByRole("table").waitFor();
    await isFine(page);
    await page.goto(`${server.url}/#/studio`);
    await page.getByLabel("Your name").waitFor();
    await isFine(page);
    await ended(seen);
  });

  test("it speaks German", async () => {
    const context = await profile(browser, { locale: "de-DE", serviceWorkers: "block" });
    const page = await context.newPage();
    await page.goto(`${server.url}/#/studio`);
    await page.getByLabel("Token der Verwaltung", { exact: true }).fill(TOKEN);
    await page.getByRole("button", { name: "Weiter" }).click();
    await page.getByLabel("Dein Name").fill("berta");
    await page.getByLabel("Stadt").selectOption("berlin");
    await page.getByRole("button", { name: "Anfangen" }).click();
    await shown(page);
    await page.getByText(/^Noch anzusehende Bilder: \d+/).waitFor();
    await button(page, "Vergrößern").click();
    await page.keyboard.press("?");
    await page.locator(".shortcuts kbd").getByText("Strg+Umschalt+Z").waitFor();
    await page.getByText("Zahlen", { exact: true }).click();
    await page.getByRole("row", { name: "Bilder, über die Menschen entschieden haben" }).waitFor();
    await isFine(page);
    await context.close();
  });

  test("what is not finished, and what the server has not heard, is not lost", async () => {
    const seen = await entered();
    const { page } = seen;
    const source = await shown(page);
    const begun = await boxes(page);
    await page.keyboard.press("a");
    await page.keyboard.press("2");
    await page.reload();
    await shown(page);
    assert.equal(await boxes(page), begun + 1);
    await page.route("**/v1/label/reviews", (route) => route.abort());
    await page.keyboard.press("Enter");
    await page.getByText("Answers that wait for the server: 1").waitFor();
    await page.unroute("**/v1/label/reviews");
    await shown(page, source);
    await page.getByText("Answers that wait for the server: 1").waitFor({ state: "detached" });
    assert.deepEqual((await reviews(seen.reviewer)).map(({ verdict }) => verdict), ["correct"]);
    await seen.context.close();
  });

  test("a data set is exported in each format, and taken in again", async () => {
    const seen = await entered();
    const { page } = seen;
    await page.getByText("Export and import").click();
    for (const format of ["yolo", "voc", "label-studio", "coco"]) {
      const downloading = page.waitForEvent("download");
      await page.getByRole("button", { name: `Export (${format})` }).click();
      const download = await downloading;
      assert.equal(download.suggestedFilename(), `berlin-${format}.zip`);
      if (format !== "coco") continue;
      await page.getByLabel("Import a ZIP").setInputFiles((await download.path())!);
      await page.getByText(/[1-9]\d* pictures are in the city now, [1-9]\d* of them with boxes. Not taken: 0\./).waitFor();
    }
    await ended(seen);
  });

  test("a finger draws a box and resizes it, and two enlarge the picture and draw none", async () => {
    const seen = await entered();
    const { page } = seen;
    await cleared(page);
    const session = await seen.context.newCDPSession(page);
    await session.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 2 });
    await page.locator(".editor").scrollIntoViewIfNeeded();
    const fingers = (type: Touch, ...places: Place[]) => touch(page, session, type, places);
    await fingers("touchStart", [0.02, 0.02]);
    await fingers("touchMove", [0.12, 0.17]);
    await fingers("touchEnd");
    await until("the box is drawn", async () => (await boxes(page)) === 1);
    // The first finger begins a box, which the second one gives up.
    await fingers("touchStart", [0.4, 0.5]);
    await fingers("touchMove", [0.45, 0.5]);
    await fingers("touchStart", [0.45, 0.5], [0.55, 0.5]);
    await fingers("touchMove", [0.4, 0.5], [0.6, 0.5]);
    await until("it is twice as large", async () => (await zoom(page)) === "2");
    // What was between the fingers is there still.
    const middle = () =>
      page.evaluate(() => {
        const [frame, sheet] = [".editor", ".sheet"].map((name) => document.querySelector(name)!.getBoundingClientRect());
        return (frame!.left + frame!.width / 2 - sheet!.left) / sheet!.width;
      });
    assert.ok(Math.abs((await middle()) - 0.5) < 0.02, String(await middle()));
    // The finger that is left draws nothing either.
    await fingers("touchEnd", [0.4, 0.5]);
    await fingers("touchMove", [0.2, 0.3]);
    await fingers("touchEnd");
    assert.equal(await boxes(page), 1);
    await fingers("touchStart", [0.1, 0.5]);
    await fingers("touchStart", [0.1, 0.5], [0.9, 0.5]);
    await fingers("touchMove", [0.4, 0.5], [0.6, 0.5]);
    await until("it is as large as it was", async () => (await zoom(page)) === "1");
    await fingers("touchEnd");
    assert.equal(await boxes(page), 1);
    // A finger alone draws again.
    await fingers("touchStart", [0.82, 0.02]);
    await fingers("touchMove", [0.98, 0.2]);
    await fingers("touchEnd");
    await until("another box is drawn", async () => (await boxes(page)) === 2);
    // It need not meet a corner exactly.
    await fingers("touchStart", [0.8, 0.02]);
    await fingers("touchMove", [0.72, 0.1]);
    await fingers("touchEnd");
    await isSelected(page, [0.74, 0.1, 0.24, 0.1]);
    assert.equal(await boxes(page), 2);
    await ended(seen);
  });

  test("names that were merged are taken apart", async () => {
    const seen = await entered("Paris");
    const { page } = seen;
    await page.getByText("Names that are read as others").click();
    await page.getByText("“bridge” is read as “Bridges”").waitFor();
    const merges = page.locator("li", { has: page.getByRole("button", { name: "They are two" }) });
    assert.equal(await merges.count(), 1, "a name that is read as itself is none");
    await merges.getByRole("button").click();
    await page.getByText("No names are merged.").waitFor();
    const { items } = await askAdmin<{ items: Merge[] }>(server, "/v1/label/merges?city=paris");
    const undone = items.filter((merge) => merge.undone).map(({ label, canonical }) => [label, canonical]);
    assert.deepEqual(undone, [["bridge", "Bridges"]]);
    await page.reload();
    await page.getByText("Names that are read as others").click();
    await page.getByText("No names are merged.").waitFor();
    await ended(seen);
  });
});
