/** A real browser: Debian's Chromium, with a camera whose picture is a file. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { AxeResults } from "axe-core";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { DATA, PATIENCE_MS } from "./server";

/** What a camera of the tests sees. */
const CAMERA = { width: 640, height: 480 };
const FRAMES = 10;

export const BUS = path.join(DATA, "pictures/bus.jpg");
export const DOG = path.join(DATA, "pictures/dog.jpg");

function executable(): string {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    const { stdout } = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" });
    if (stdout.trim()) return stdout.trim();
  }
  throw new Error("there is no Chromium; on Debian: apt-get install chromium");
}

/** Starts a browser; its one camera sees the film `camera`, or it has two that see a pattern. */
export function launch(camera?: string, more: readonly string[] = []): Promise<Browser> {
  const film = camera ? [`--use-file-for-fake-video-capture=${camera}`] : [];
  const fake = ["--use-fake-device-for-media-stream=device-count=2", ...film];
  // Containers run everything as root, and have a small /dev/shm.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", ...fake, ...more];
  return chromium.launch({ executablePath: executable(), args });
}

export interface Visit {
  context: BrowserContext;
  page: Page;
  /** What the browser complained about. */
  complaints: string[];
}

export interface Visitor {
  isCameraAllowed?: boolean;
  /** Whether the service worker may come; what passes through it is out of reach of `page.route`. */
  isKept?: boolean;
}

/** A profile of a browser. On a slow machine the app is as patient in it as the tests are. */
export async function profile(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript(() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (ms) => timeout(6 * ms);
  });
  return context;
}

/** Opens a page of the app in a profile of its own, as on a phone. */
export async function visit(browser: Browser, url: string, { isCameraAllowed = true, isKept = true }: Visitor = {}): Promise<Visit> {
  const context = await profile(browser, {
    viewport: { width: 390, height: 844 },
    locale: "en-GB",
    ignoreHTTPSErrors: true,
    permissions: isCameraAllowed ? ["camera"] : [],
    serviceWorkers: isKept ? "allow" : "block",
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  return { context, page, complaints };
}

export async function ended({ context, complaints }: Visit): Promise<void> {
  await context.close();
  assert.deepEqual(complaints, []);
}

/** The least width of a screen in CSS pixels. */
export const NARROW = 320;

/** What axe finds that is serious or worse. */
export async function faults(page: Page): Promise<string[]> {
  // As a tool of the browser: the page's own policy lets no such script in.
  const script = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(script);
  const found = (await page.evaluate("axe.run()")) as AxeResults;
  const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Accessible, and no wider than a narrow screen, in light and in dark colours. */
export async function isFine(page: Page): Promise<void> {
  await page.setViewportSize({ width: NARROW, height: 640 });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await faults(page), []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), NARROW);
  }
}

/** Opens a picture in the guide. */
export async function give(page: Page, file: string): Promise<void> {
  await page.getByLabel("Choose pictures").setInputFiles(file);
  await page.getByRole("img", { name: path.basename(file) }).waitFor();
}

/** Waits until more than so many pixels of the layer over the picture are drawn on, or as few as none; how many that are. */
export async function drawn(page: Page, least: number | "none"): Promise<number> {
  const found = await page.waitForFunction((least) => {
    const canvas = document.querySelector<HTMLCanvasElement>("canvas.overlay")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    const count = data.filter((value, at) => at % 4 === 3 && value > 0).length;
    return (least === "none" ? count === 0 : count > least) && { count };
  }, least);
  return ((await found.jsonValue()) as { count: number }).count;
}

/** A browser whose camera sees the bus; the film is kept in the folder. */
export async function filming(folder: string, more: readonly string[] = []): Promise<Browser> {
  const projector = await launch();
  const camera = path.join(folder, "camera.y4m");
  await film(projector, BUS, camera);
  await projector.close();
  return await launch(camera, more);
}

/** Writes a picture as the film of a camera: YUV4MPEG2 with 4:2:0 chroma, the picture letterboxed. */
async function film(browser: Browser, picture: string, file: string): Promise<void> {
  const rgba = await pixels(browser, picture);
  const planes = yuv420(rgba, CAMERA.width, CAMERA.height);
  const out = await open(file, "w");
  try {
    await out.write(`YUV4MPEG2 W${CAMERA.width} H${CAMERA.height} F10:1 Ip A1:1 C420jpeg\n`);
    for (let frame = 0; frame < FRAMES; frame += 1) {
      await out.write("FRAME\n");
      await out.write(planes);
    }
  } finally {
    await out.close();
  }
}

/** The browser decodes it. */
async function pixels(browser: Browser, picture: string): Promise<Uint8Array> {
  const page = await browser.newPage();
  try {
    const base64 = (await readFile(picture)).toString("base64");
    const drawn = await page.evaluate(
      async ({ base64, width, height }) => {
        const response = await fetch(`data:image/jpeg;base64,${base64}`);
        const bitmap = await createImageBitmap(await response.blob());
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d");
        if (!context) throw new Error("no canvas");
        const scale = Math.min(width / bitmap.width, height / bitmap.height);
        const [w, h] = [bitmap.width * scale, bitmap.height * scale];
        context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
        return Array.from(context.getImageData(0, 0, width, height).data);
      },
      { base64, ...CAMERA },
    );
    return Uint8Array.from(drawn);
  } finally {
    await page.close();
  }
}

/** BT.601 with full range, as JPEG has it (JFIF 1.02); chroma of each 2 x 2 pixels from the first of them. */
function yuv420(rgba: Uint8Array, width: number, height: number): Buffer {
  const planes = Buffer.alloc((width * height * 3) / 2);
  const chroma = width * height;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = 4 * (y * width + x);
      const [r = 0, g = 0, b = 0] = rgba.subarray(at, at + 3);
      planes[y * width + x] = clamp(0.299 * r + 0.587 * g + 0.114 * b);
      if (x % 2 === 0 && y % 2 === 0) {
        const place = chroma + (y / 2) * (width / 2) + x / 2;
        planes[place] = clamp(128 - 0.168736 * r - 0.331264 * g + 0.5 * b);
        planes[place + chroma / 4] = clamp(128 + 0.5 * r - 0.418688 * g - 0.081312 * b);
      }
    }
  }
  return planes;
}

function clamp(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)));
}
