/** The guide, as a visitor uses it: rows 48 to 62 of what the desktop client could. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { bearing, compassPoint, distance, fold } from "../src/guide/sights";
import { BUS, DOG, drawn, ended, filming, give, launch, profile, visit, type Visit, type Visitor } from "./browser";
import { berlin, giveModel, needsData, Server, SIGHTS, until } from "./server";

const ALEXANDERPLATZ = { latitude: 52.5219, longitude: 13.4132 };
/** From there to the Brandenburg Gate, in metres. */
const FROM_ALEXANDERPLATZ = 2_481;
const SIGHTS_OF_BERLIN = [
  { name: "Brandenburger Tor", latitude: 52.5163, longitude: 13.3777, wikidata: "Q82425", source: "wikidata" },
  { name: "Siegessäule", latitude: 52.5145, longitude: 13.3501, wikidata: "Q154987", source: "openstreetmap" },
];

let server: Server;
let browser: Browser;

async function opened(url = server.url, visitor?: Visitor): Promise<Visit> {
  return await visit(browser, url, visitor);
}

/** A desk whose browser only writes down what it is to open. */
async function openerOf(folder: string): Promise<{ variables: NodeJS.ProcessEnv; told(): Promise<string> }> {
  const file = path.join(folder, "opened");
  await writeFile(path.join(folder, "xdg-open"), `#!/bin/sh\nprintf %s "$1" > '${file}'\n`, { mode: 0o755 });
  const variables = { PATH: `${folder}:${process.env["PATH"]}` };
  return { variables, told: () => readFile(file, "utf8").catch(() => "") };
}

interface Streams {
  count: number;
  /** Pictures that were under way at once. */
  together: number;
}

/** Runs in the page before anything else: counts its WebSockets and what goes over them. */
function countStreams(): void {
  const streams: Streams = { count: 0, together: 0 };
  Object.assign(window, { streams });
  const underWay = new Map<WebSocket, number>();
  const add = (socket: WebSocket, step: number) => {
    underWay.set(socket, (underWay.get(socket) ?? 0) + step);
    streams.together = Math.max(streams.together, ...underWay.values());
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (picture) {
    if (!underWay.has(this)) {
      streams.count += 1;
      this.addEventListener("message", () => add(this, -1));
    }
    add(this, 1);
    send.call(this, picture);
  };
}

/** A guide that has its city. */
async function inBerlin(url = server.url): Promise<Visit> {
  const opening = await opened(url);
  await opening.page.getByLabel("City", { exact: true }).selectOption("berlin");
  await opening.page.getByLabel("On the server").check();
  return opening;
}

describe("the guide", needsData, () => {
  before(async () => {
    server = await berlin();
    // A name that is no loopback's, for what browsers do to pages over plain http from elsewhere.
    browser = await filming(server.folder, ["--host-resolver-rules=MAP sights.example 127.0.0.1"]);
  });
  after(async () => {
    await browser?.close();
    await Server.removeAll();
  });

  test("row 48, W-P8: a new city appears within half a minute, and a list is asked for once each time", async () => {
    const context = await profile(browser);
    const page = await context.newPage();
    await page.clock.install();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await page.goto(server.url);
    await page.locator("#city:enabled").waitFor();
    await page.getByLabel("Help improving SightScan's detection quality").waitFor();
    await server.ask("Lisbon");
    asked.length = 0;
    // What is due then happens once, and no more time passes.
    await page.clock.pauseAt(Date.now() + 15_000);
    await page.getByRole("option", { name: /^Lisbon/ }).waitFor({ state: "attached" });
    assert.deepEqual(asked.filter((path) => path.startsWith("/v1/")).sort(), ["/v1/cities", "/v1/models"]);
    await context.close();
  });

  test("W-P9: how far a city is can be seen", async () => {
    const many = await Server.start("api", ["--request-threshold", "3"]);
    await many.ask("Porto");
    const seen = await opened(many.url, { isKept: false });
    const { page } = seen;
    const porto = page.getByLabel("City", { exact: true });
    await porto.selectOption("porto");
    await page.getByText("Porto cannot be detected yet: asked for").waitFor();
    await page.getByText("1 of 3 people have asked for Porto").waitFor();
    assert.equal(await page.getByRole("button", { name: "Start Detection" }).isDisabled(), true);
    const { items } = (await (await fetch(`${many.url}/v1/cities`)).json()) as { items: object[] };
    const becomes = async (life: object) => {
      await page.route("**/v1/cities?**", (route) => route.fulfill({ json: { items: [{ ...items[0], ...life }], next: null } }));
      await page.evaluate(() => dispatchEvent(new Event("online")));
    };
    await becomes({ state: "crawling", progress: { done: 3, total: 12, message: "Torre dos Clérigos" } });
    await page.getByText("Porto cannot be detected yet: collecting pictures").waitFor();
    const bar = page.getByLabel("Torre dos Clérigos · 3 of 12");
    assert.equal(await bar.evaluate((bar: HTMLProgressElement) => bar.position), 0.25);
    await becomes({ state: "failed", failed_stage: "crawl", reason: "no source has answered" });
    await page.getByText("no source has answered").waitFor();
    assert.equal(await bar.count(), 0);
    await ended(seen);
    await many.remove();
  });

  test("W-C29: a server without cities and a server that is gone are told apart", async () => {
    const other = await Server.start("api");
    const seen = await opened(other.url);
    await seen.page.getByText("This server has no cities yet").waitFor();
    await other.stop();
    await seen.page.evaluate(() => dispatchEvent(new Event("online")));
    await seen.page.getByText("The server cannot be reached").waitFor();
    assert.equal(await seen.page.getByText("This server has no cities yet").count(), 0);
    await seen.context.close();
    await other.remove();
  });

  test("row 52: starting without a city says that one must be chosen", async () => {
    const seen = await opened();
    await give(seen.page, BUS);
    await seen.page.getByRole("button", { name: "Start Detection" }).click();
    await seen.page.getByRole("alert").getByText("No city chosen").waitFor();
    await ended(seen);
  });

  test("row 53, W-C30: what is dropped keeps its shape, and what is no picture is refused", async () => {
    const seen = await inBerlin();
    await seen.page.getByText("Drop Image here").waitFor();
    const drop = async (bytes: Buffer, name: string, type: string) => {
      const data = await seen.page.evaluateHandle(
        ({ base64, name, type }) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          transfer.items.add(new File([bytes], name, { type }));
          return transfer;
        },
        { base64: bytes.toString("base64"), name, type },
      );
      await seen.page.dispatchEvent(".stage", "drop", { dataTransfer: data });
    };
    await drop(Buffer.from("no picture"), "notes.txt", "text/plain");
    await seen.page.getByRole("alert").getByText("notes.txt is no picture").waitFor();
    await drop(await readFile(BUS), "bus.jpg", "image/jpeg");
    const picture = seen.page.getByRole("img", { name: "bus.jpg" });
    await picture.waitFor();
    const size = await picture.evaluate((canvas: HTMLCanvasElement) => [canvas.width, canvas.height]);
    assert.deepEqual(size, [810, 1080]);
    // Text that is dropped is no file at all.
    const text = await seen.page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      transfer.setData("text/plain", "words");
      return transfer;
    });
    await seen.page.dispatchEvent(".stage", "drop", { dataTransfer: text });
    await seen.page.getByRole("alert").getByText("is no picture").waitFor();
    await seen.page.getByRole("button", { name: "Close the picture" }).click();
    await seen.page.getByText("Drop Image here").waitFor();
    await ended(seen);
  });

  test("row 53: pictures that are dropped beside the stage, pasted or chosen together are taken", async () => {
    const seen = await opened();
    const { page } = seen;
    const base64 = (await readFile(BUS)).toString("base64");
    const offer = (kind: "drop" | "paste", name: string) =>
      page.evaluate(
        ({ kind, base64, name }) => {
          const given = new DataTransfer();
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          given.items.add(new File([bytes], name, { type: "image/jpeg" }));
          const how = { bubbles: true, cancelable: true };
          const event =
            kind === "drop"
              ? new DragEvent(kind, { ...how, dataTransfer: given })
              : new ClipboardEvent(kind, { ...how, clipboardData: given });
          document.querySelector("h1")!.dispatchEvent(event);
          return event.defaultPrevented;
        },
        { kind, base64, name },
      );
    assert.equal(await offer("drop", "dropped.jpg"), true, "else the browser leaves the page for the picture");
    await page.getByRole("img", { name: "dropped.jpg" }).waitFor();
    await offer("paste", "pasted.jpg");
    await page.getByRole("img", { name: "pasted.jpg" }).waitFor();
    const notes = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") };
    const others = ["one.jpg", "two.jpg"].map((name) => ({ name, mimeType: "image/jpeg", buffer: Buffer.from(base64, "base64") }));
    await page.getByLabel("Choose pictures").setInputFiles([notes, ...others]);
    await page.getByRole("img", { name: "one.jpg" }).waitFor();
    await page.getByRole("alert").getByText("notes.txt is no picture").waitFor();
    await page.getByText("Picture 1 of 2").waitFor();
    await page.getByRole("button", { name: "Next picture" }).click();
    await page.getByRole("img", { name: "two.jpg" }).waitFor();
    await page.getByRole("button", { name: "Next picture" }).click();
    await page.getByRole("img", { name: "one.jpg" }).waitFor();
    await ended(seen);
  });

  test("W-C31: an answer that comes after another city was chosen changes nothing", async () => {
    const seen = await opened(server.url, { isKept: false });
    const { page } = seen;
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    await page.route("**/v1/detect?**", async (route) => {
      const response = await route.fetch();
      await released;
      await route.fulfill({ response });
    });
    await page.getByLabel("City", { exact: true }).selectOption("berlin");
    await page.getByLabel("On the server").check();
    await give(page, BUS);
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.getByRole("status").getByText("Looking …").waitFor();
    await page.getByLabel("City", { exact: true }).selectOption("");
    const answered = page.waitForResponse("**/v1/detect?**");
    release();
    await (await answered).finished();
    await drawn(page, "none");
    assert.equal(await page.getByText(/^Found/).count(), 0);
    assert.equal(await page.getByRole("button", { name: "Start Detection" }).count(), 1);
    await ended(seen);
  });

  test("row 54, row 58: a sight in a picture gets a dot and its name as people write it", async () => {
    const seen = await inBerlin();
    await give(seen.page, BUS);
    await seen.page.getByRole("button", { name: "Start Detection" }).click();
    await seen.page.getByRole("status").getByText(/^Found: .*Brandenburger Tor/).waitFor();
    await drawn(seen.page, 500);
    await ended(seen);
  });

  test("row 55: a camera is seen, looked at live, and seen again when that stops", async () => {
    const seen = await inBerlin();
    const { page } = seen;
    await page.addInitScript(countStreams);
    await page.reload();
    await page.getByRole("button", { name: "Start camera" }).click();
    const feed = page.locator(".stage video");
    await page.waitForFunction(() => (document.querySelector<HTMLVideoElement>(".stage video")?.videoWidth ?? 0) > 0);
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.getByRole("status").getByText(/^Found: .*Brandenburger Tor/).waitFor();
    await page.getByLabel("Debug").check();
    await page.getByText(/pictures a second/).waitFor();
    await drawn(page, 500);
    const streams = await page.evaluate(() => (window as unknown as { streams: Streams }).streams);
    assert.deepEqual(streams, { count: 1, together: 1 }, "one picture at a time, over one WebSocket");
    await page.getByRole("button", { name: "Stop Detection" }).click();
    await page.getByRole("button", { name: "Start Detection" }).waitFor();
    assert.equal(await feed.evaluate((video: HTMLVideoElement) => video.paused || video.ended), false);
    await drawn(page, "none");
    await ended(seen);
  });

  test("row 55: of two cameras one is chosen, and the other side is a button away", async () => {
    const two = await launch();
    const seen = await visit(two, server.url);
    const { page } = seen;
    await page.getByRole("button", { name: "Start camera" }).click();
    const cameras = page.getByLabel("Choose Webcam");
    await page.waitForFunction(() => document.querySelectorAll("#camera option").length === 2);
    const [first, second] = await cameras.locator("option").evaluateAll((options) =>
      (options as HTMLOptionElement[]).map(({ value }) => value),
    );
    const isOn = (id: string | undefined) =>
      page.waitForFunction((id) => {
        const stream = document.querySelector<HTMLVideoElement>(".stage video")?.srcObject as MediaStream | null;
        return stream?.getVideoTracks()[0]?.getSettings().deviceId === id;
      }, id);
    await cameras.selectOption(second!);
    await isOn(second);
    await page.getByRole("button", { name: "Other side" }).click();
    await isOn(first);
    await ended(seen);
    await two.close();
  });

  test("row 56: the debug view shows boxes, confidences with two decimals, and the log", async () => {
    const seen = await inBerlin();
    const { page } = seen;
    await give(page, BUS);
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.getByRole("status").getByText(/^Found/).waitFor();
    const plain = await drawn(page, 500);
    assert.equal(await page.locator(".log").count(), 0);
    await page.getByLabel("Debug").check();
    await page.locator(".log").getByText(/Prediction: Brandenburger Tor; Confidence 0\.\d\d\b/).waitFor();
    await page.getByText(/^An answer takes [\d,]+ ms\.$/).waitFor();
    await drawn(page, plain + 1000);
    await ended(seen);
  });

  test("row 57: the log of a session is a file", async () => {
    const seen = await inBerlin();
    await seen.page.getByLabel("Debug").check();
    await give(seen.page, BUS);
    await seen.page.getByRole("button", { name: "Start Detection" }).click();
    await seen.page.getByRole("status").getByText(/^Found/).waitFor();
    const downloading = seen.page.waitForEvent("download");
    await seen.page.getByRole("button", { name: "Download the log" }).click();
    const download = await downloading;
    assert.match(download.suggestedFilename(), /^sightscan-\d{4}-\d\d-\d\dT\d\d_\d\d_\d\d\.log$/);
    const lines = (await readFile((await download.path())!, "utf8")).trim().split("\n");
    assert.ok(lines.every((line) => /^\d{4}-\S+ :: (INFO|WARN|ERROR) :: ./.test(line)), lines.join("\n"));
    assert.ok(lines.some((line) => line.includes("detection of berlin begins")));
    await ended(seen);
  });

  test("row 59, W-C33: a place is accepted with what happens next, and what is no place is refused", async () => {
    const seen = await opened(server.url, { isKept: false });
    const wanted = seen.page.getByLabel("Name of the city");
    const send = seen.page.getByRole("button", { name: "Add City" });
    await wanted.fill("Louvre");
    await send.click();
    await seen.page.getByText("Unknown city name").waitFor();
    await wanted.fill("Springfi");
    await seen.page.locator("#places option[value^='Springfield, Illinois']").waitFor({ state: "attached" });
    await wanted.fill("Springfield");
    await send.click();
    await seen.page.getByText("Several places have this name.").waitFor();
    await seen.page.getByRole("button", { name: /^Springfield, Illinois/ }).click();
    await seen.page.getByText(/Springfield.* is on its way/).waitFor();
    await wanted.fill("Hamburg");
    await send.click();
    await seen.page.getByText("Request confirmed").waitFor();
    await seen.page.getByText(/Hamburg is on its way/).waitFor();
    assert.equal(await seen.page.getByLabel("City", { exact: true }).inputValue(), "hamburg");
    await seen.page.route("**/v1/cities", (route) => route.abort());
    await wanted.fill("Bremen");
    await send.click();
    await seen.page.getByText("The request did not arrive").waitFor();
    assert.equal(await seen.page.getByText("Request confirmed").count(), 0);
    // Without suggestions a city can be asked for all the same; the log tells that they are missing.
    await seen.page.route("**/v1/places?*", (route) => route.abort());
    await wanted.fill("Leipzi");
    await seen.page.getByLabel("Debug").check();
    await seen.page.locator(".log").getByText("places that may be meant").waitFor();
    await seen.context.close();
    // The browser tells of the answers 422 and of the one that did not come, which is what was wanted.
    assert.ok(seen.complaints.every((text) => /422|ERR_FAILED/.test(text)), seen.complaints.join("\n"));
  });

  test("row 60, W-C4, W-L3: a picture is given only with consent, once, and can be taken back", async () => {
    const seen = await inBerlin();
    const { page } = seen;
    const uploads: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/v1/cities/berlin/images")) uploads.push(request.url());
    });
    const look = async () => {
      await page.getByRole("button", { name: "Start Detection" }).click();
      await page.getByRole("button", { name: "Start Detection" }).waitFor();
      await page.getByRole("status").getByText(/^Found/).waitFor();
    };
    const agreement = page.getByLabel("Help improving SightScan's detection quality");
    assert.equal(await agreement.isChecked(), false);
    await give(page, BUS);
    await look();
    assert.equal(uploads.length, 0);
    await agreement.check();
    await page.getByText(/I took this picture myself or may pass it on/).waitFor();
    await look();
    await page.getByRole("button", { name: "Take bus.jpg back" }).waitFor();
    assert.equal(uploads.length, 1);
    await look();
    await agreement.uncheck();
    await give(page, DOG);
    await look();
    assert.equal(uploads.length, 1, "once a picture, and none without consent");
    // It is remembered only where that is asked for; the link that takes a picture back always is.
    await page.reload();
    await page.getByRole("button", { name: "Take bus.jpg back" }).waitFor();
    assert.equal(await agreement.isChecked(), false);
    await agreement.check();
    await page.getByLabel("Remember this on this device").check();
    await page.reload();
    await page.getByLabel("Remember this on this device").waitFor();
    assert.equal(await agreement.isChecked(), true);
    const deleting = page.waitForResponse((response) => response.request().method() === "DELETE");
    await page.getByRole("button", { name: "Take bus.jpg back" }).click();
    assert.equal((await deleting).status(), 204);
    await page.getByRole("button", { name: "Take bus.jpg back" }).waitFor({ state: "detached" });
    await ended(seen);
  });

  test("row 61: the page has a title and an icon, and can be installed", async () => {
    const seen = await opened();
    assert.equal(await seen.page.title(), "SightScan");
    for (const link of ["icon", "apple-touch-icon", "manifest"]) {
      const address = await seen.page.locator(`link[rel="${link}"]`).getAttribute("href");
      const response = await seen.page.request.get(`${server.url}${address}`);
      assert.equal(response.status(), 200, link);
      if (link === "manifest") {
        const manifest = (await response.json()) as { name: string; icons: { src: string }[] };
        assert.equal(manifest.name, "SightScan");
        assert.ok(manifest.icons.length > 2, "also for those that take no SVG");
        for (const { src } of manifest.icons) assert.equal((await seen.page.request.get(`${server.url}${src}`)).status(), 200);
      }
    }
    await ended(seen);
  });

  test("row 62: the camera is released when it is stopped, when a picture is opened, and with the page", async () => {
    const seen = await inBerlin();
    const { page } = seen;
    const isOn = () =>
      page.evaluate(() => (window as unknown as { track: MediaStreamTrack }).track.readyState === "live");
    const on = async () => {
      await page.getByRole("button", { name: "Start camera" }).click();
      await page.waitForFunction(() => {
        const stream = document.querySelector<HTMLVideoElement>(".stage video")?.srcObject as MediaStream | null;
        Object.assign(window, { track: stream?.getVideoTracks()[0] });
        return stream?.getVideoTracks()[0]?.readyState === "live";
      });
    };
    await on();
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.getByRole("button", { name: "Stop camera" }).click();
    assert.equal(await isOn(), false);
    await page.getByRole("button", { name: "Start Detection" }).waitFor();
    await on();
    await give(page, BUS);
    assert.equal(await isOn(), false);
    await on();
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.getByRole("link", { name: "Studio" }).click();
    await page.getByLabel("Administrator's token").waitFor();
    assert.equal(await isOn(), false, "another page of the app is shown");
    await page.getByRole("link", { name: "Guide" }).click();
    await on();
    await page.evaluate(() => dispatchEvent(new Event("pagehide")));
    assert.equal(await isOn(), false);
    await ended(seen);
  });

  test("W-C32: a camera that is refused is explained, and can be tried again", async () => {
    const seen = await opened(server.url, { isCameraAllowed: false });
    await seen.page.getByRole("button", { name: "Start camera" }).click();
    await seen.page.getByText("The camera was refused").waitFor();
    await seen.context.grantPermissions(["camera"]);
    await seen.page.getByRole("button", { name: "Try again" }).click();
    const video = seen.page.locator(".stage video");
    await video.waitFor();
    // It is unplugged.
    await seen.page.waitForFunction(() => {
      const stream = document.querySelector<HTMLVideoElement>(".stage video")?.srcObject as MediaStream | null;
      return stream?.getVideoTracks()[0]?.dispatchEvent(new Event("ended"));
    });
    await video.waitFor({ state: "detached" });
    await seen.page.getByRole("button", { name: "Start camera" }).waitFor();
    await ended(seen);
  });

  test("row 55 over https: the camera is on there, and over plain http from elsewhere the page says why it is off", async () => {
    const elsewhere = await opened(server.url.replace("127.0.0.1", "sights.example"));
    await elsewhere.page.getByText("Browsers give the camera only to pages over https").waitFor();
    assert.equal(await elsewhere.page.getByRole("button", { name: "Start camera" }).count(), 0);
    await ended(elsewhere);
    const encrypted = await Server.start("api", ["--tls", "self-signed"], server.folder);
    const seen = await inBerlin(encrypted.url.replace("127.0.0.1", "sights.example"));
    assert.match(seen.page.url(), /^https:/);
    await seen.page.getByRole("button", { name: "Start camera" }).click();
    await seen.page.locator(".stage video").waitFor();
    await seen.page.getByRole("button", { name: "Start Detection" }).click();
    await seen.page.getByRole("status").getByText(/^Found: .*Brandenburger Tor/).waitFor();
    await seen.context.close();
    // Browsers take no service worker from a server whose certificate nobody vouches for, and say so in one of two ways.
    const isOfWorker = (text: string) => /SSL certificate|when fetching the script/.test(text);
    assert.ok(seen.complaints.every(isOfWorker), seen.complaints.join("\n"));
    await encrypted.stop();
  });

  test("a laptop takes over the cities of a server, and goes on without it", async () => {
    const remote = await berlin();
    await remote.ask("São Paulo");
    await until("berlin is live there", async () => (await fetch(`${remote.url}/v1/models/berlin`)).ok);
    const desk = await openerOf(remote.folder);
    const laptop = await Server.start("serve", ["--open"], undefined, { ...desk.variables, API_ENDPOINT_URL: remote.url });
    await until("the browser is told the address", async () => (await desk.told()) === laptop.url);
    const seen = await visit(browser, laptop.url);
    const { page } = seen;
    await page.getByRole("option", { name: "São Paulo (about to begin)" }).waitFor({ state: "attached" });
    assert.equal(await page.getByRole("link", { name: "Control room" }).count(), 0, "the rooms are there, not here");
    await page.getByLabel("Name of the city").fill("Oslo");
    await page.getByRole("button", { name: "Add City" }).click();
    await page.getByText("Oslo is on its way").waitFor();
    assert.equal((await fetch(`${remote.url}/v1/cities/oslo`)).status, 200, "that server was asked");
    await until("Berlin is here", () =>
      page.evaluate(() => {
        dispatchEvent(new Event("online"));
        return [...document.querySelectorAll("#city option")].some(({ textContent }) => textContent === "Berlin");
      }),
    );
    await page.getByLabel("City", { exact: true }).selectOption("berlin");
    await page.getByLabel("On the server").check();
    await page.getByLabel("Help improving SightScan's detection quality").check();
    await give(page, BUS);
    const look = async () => {
      await page.getByRole("button", { name: "Start Detection" }).click();
      await page.getByRole("status").getByText(/^Found: .*Brandenburger Tor/).waitFor();
    };
    await look();
    await page.getByRole("button", { name: "Take bus.jpg back" }).click();
    await page.getByRole("button", { name: "Take bus.jpg back" }).waitFor({ state: "detached" });
    await remote.stop();
    await page.reload();
    await page.getByRole("option", { name: "Berlin", exact: true }).waitFor({ state: "attached" });
    await give(page, BUS);
    await look();
    await seen.context.close();
    // What only that server has is missed.
    assert.ok(seen.complaints.every((text) => text.includes("503")), seen.complaints.join("\n"));
    await remote.remove();
  });

  test("a server that goes away is told, and used again when it is back", async () => {
    const first = await berlin();
    const seen = await inBerlin(first.url);
    const { page } = seen;
    await page.getByRole("button", { name: "Start camera" }).click();
    await page.getByRole("button", { name: "Start Detection" }).click();
    await page.getByRole("status").getByText(/^Found/).waitFor();
    await first.stop();
    await page.getByRole("alert").getByText(/could not be looked at/).waitFor();
    const port = new URL(first.url).port;
    const second = await Server.start("api", ["--listen", `127.0.0.1:${port}`], first.folder);
    await until("it is used again", async () => {
      await page.evaluate(() => dispatchEvent(new Event("online")));
      return (await page.getByRole("alert").count()) === 0;
    });
    await page.getByRole("status").getByText(/^Found/).waitFor();
    await seen.context.close();
    await second.remove();
  });

  test("what was found is explained; how far it is, is told to whoever asks, and only then", async () => {
    const seen = await opened(server.url, { isKept: false });
    const { page } = seen;
    await page.route("**/v1/cities/berlin/sights", (route) => route.fulfill({ json: { items: SIGHTS_OF_BERLIN } }));
    await page.addInitScript(() => {
      const { geolocation } = navigator;
      const ask = geolocation.getCurrentPosition.bind(geolocation);
      Object.assign(window, { questions: 0 });
      geolocation.getCurrentPosition = (...how) => {
        (window as unknown as { questions: number }).questions += 1;
        ask(...how);
      };
    });
    await seen.context.setGeolocation(ALEXANDERPLATZ);
    await page.reload();
    await page.getByLabel("City", { exact: true }).selectOption("berlin");
    await page.getByLabel("On the server").check();
    await give(page, BUS);
    const list = page.getByRole("region", { name: "More about what was found" });
    assert.equal(await list.count(), 0);
    await page.getByRole("button", { name: "Start Detection" }).click();
    const link = list.getByRole("link", { name: "Brandenburger Tor" });
    await link.waitFor();
    assert.equal(await link.getAttribute("href"), "https://www.wikidata.org/wiki/Q82425");
    assert.equal(await list.getByRole("listitem").count(), 1, "the other sight was not found");
    await list.getByText("Wikidata, CC0").waitFor();
    assert.equal(await list.getByText("OpenStreetMap").count(), 0);
    assert.equal(await page.evaluate(() => (window as unknown as { questions: number }).questions), 0);
    const ask = list.getByRole("button", { name: "How far is it?" });
    await ask.click();
    await list.getByRole("alert").getByText("Your position was refused").waitFor();
    await seen.context.grantPermissions(["geolocation"]);
    await ask.click();
    await list.getByText("2.5 km to the west").waitFor();
    assert.equal(await list.getByRole("alert").count(), 0);
    await seen.context.setGeolocation({ latitude: 52.5159, longitude: 13.3777 });
    await ask.click();
    await list.getByText("44 m to the north").waitFor();
    await ended(seen);
  });

  test("a server that tells of no sights is no trouble, and what one has told is kept with the city", async () => {
    const alone = await berlin();
    const seen = await opened(alone.url, { isKept: false });
    const { page } = seen;
    const sights = "**/v1/cities/berlin/sights";
    let asked = 0;
    await page.route(sights, async (route) => {
      asked += 1;
      await route.fulfill({ status: 404, contentType: "application/problem+json", body: "{}" });
    });
    const look = async () => {
      await page.getByText("Ready for Detection!").waitFor();
      await give(page, BUS);
      await page.getByRole("button", { name: "Start Detection" }).click();
      await page.getByRole("status").getByText(/^Found: .*Brandenburger Tor/).waitFor();
    };
    await page.getByLabel("City", { exact: true }).selectOption("berlin");
    await page.getByRole("button", { name: "OK" }).click();
    await look();
    const refreshed = page.waitForResponse("**/v1/cities?**");
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await refreshed;
    assert.equal(asked, 1);
    assert.equal(await page.getByText("More about what was found").count(), 0);
    await page.unroute(sights);
    const told = page.waitForResponse(sights);
    await page.route(sights, (route) => route.fulfill({ json: { items: SIGHTS_OF_BERLIN } }));
    await page.reload();
    await told;
    await page.waitForFunction(() => localStorage.getItem("sights")?.includes("Q82425"));
    await page.route(sights, (route) => route.abort());
    await page.reload();
    await look();
    await page.getByRole("link", { name: "Brandenburger Tor" }).waitFor();
    await seen.context.close();
    // The browser tells of answers 404, and of the one that did not come.
    const isWanted = (text: string) => /404|ERR_FAILED/.test(text);
    assert.ok(seen.complaints.every(isWanted), seen.complaints.join("\n"));
    await alone.remove();
  });

  test("a long list of cities is searched, whatever accents are typed", async () => {
    const alone = await berlin();
    for (const name of ["Hamburg", "Lisbon", "Madrid", "Oslo", "Paris", "Prague", "Rome", "São Paulo"]) await alone.ask(name);
    const seen = await opened(alone.url);
    const { page } = seen;
    const offered = (cities: string) =>
      until(cities, async () => (await page.locator("#city option").allTextContents()).join("; ") === cities);
    const search = page.getByRole("searchbox", { name: "Search for a city" });
    await search.fill("atlantis");
    await page.getByText("No city matches").waitFor();
    await search.fill("sao PAU");
    await offered("Choose City; São Paulo (about to begin)");
    await page.getByText("No city matches").waitFor({ state: "detached" });
    await page.getByLabel("City", { exact: true }).selectOption("sao-paulo");
    await search.fill("berlin");
    await offered("Choose City; Berlin; São Paulo (about to begin)");
    await ended(seen);
    await alone.remove();
  });

  test("the list tells cities with an update from those without a model, and those that are out of reach", async () => {
    const alone = await berlin();
    await alone.ask("Porto");
    const seen = await opened(alone.url);
    const { page } = seen;
    const options = () => page.locator("#city option").allTextContents();
    const look = (expected: string) =>
      until(expected, async () => {
        await page.evaluate(() => dispatchEvent(new Event("online")));
        return (await options()).join("; ") === expected;
      });
    await look("Choose City; Berlin; Porto (about to begin)");
    await page.getByLabel("City", { exact: true }).selectOption("berlin");
    await page.getByRole("button", { name: "OK" }).click();
    await page.getByText("Ready for Detection!").waitFor();
    await giveModel(alone.folder, "Berlin", SIGHTS, "yolox_nano.onnx");
    await look("Choose City; Berlin (update available); Porto (about to begin)");
    await alone.stop();
    await look("Choose City; Berlin; Porto (offline)");
    await seen.context.close();
    await alone.remove();
  });
});

describe("places of sights", () => {
  const gate = { latitude: 52.5163, longitude: 13.3777 };

  test("distances and directions are those of great circles", () => {
    assert.equal(distance(gate, gate), 0);
    // A degree of a meridian, and of the equator.
    const degree = (6_371_008.8 * Math.PI) / 180;
    const origin = { latitude: 0, longitude: 0 };
    for (const [to, expected] of [
      [{ latitude: 1, longitude: 0 }, 0],
      [{ latitude: 0, longitude: 1 }, 90],
      [{ latitude: -1, longitude: 0 }, 180],
      [{ latitude: 0, longitude: -1 }, 270],
    ] as const) {
      assert.ok(Math.abs(distance(origin, to) - degree) < 1e-6);
      assert.ok(Math.abs(bearing(origin, to) - expected) < 1e-9);
    }
    assert.equal(Math.round(distance({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 180 })), 20_015_114);
    assert.equal(Math.round(distance(ALEXANDERPLATZ, gate)), FROM_ALEXANDERPLATZ);
    assert.equal(compassPoint(bearing(ALEXANDERPLATZ, gate)), 6);
    // Across the date line.
    assert.equal(compassPoint(bearing({ latitude: 0, longitude: 179 }, { latitude: 0, longitude: -179 })), 2);
    assert.deepEqual([0, 22, 23, 45, 180, 337, 338, 359.9].map(compassPoint), [0, 0, 1, 1, 4, 7, 0, 0]);
  });

  test("names mean the same without accents, spaces and signs", () => {
    for (const name of ["Brandenburger Tor", "BrandenburgerTor", "brandenburger-tor", "BRANDENBURGER_TOR"]) {
      assert.equal(fold(name), "brandenburgertor");
    }
    assert.equal(fold("Musée d’Orsay, № 1"), "museedorsay1");
    assert.equal(fold("東京タワー"), fold("東京 タワー"));
  });
});
