/** The administrator of the tests' servers. */
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { visit, type Visit } from "./browser";
import type { Server } from "./server";

export const TOKEN = "a-token-of-the-administrator-of-the-tests";
/** With it a server has that token. */
export const VARIABLES = { SIGHTSCAN_ADMIN_TOKEN: TOKEN };

export async function askAdmin<T>({ url }: Server, path: string, method = "GET"): Promise<T> {
  const response = await fetch(`${url}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(response.status, 200, path);
  return (await response.json()) as T;
}

/** Opens a page of the control room with the token. */
export async function inControlRoom(browser: Browser, { url }: Server, page = ""): Promise<Visit> {
  const seen = await visit(browser, url, { isKept: false });
  await seen.page.evaluate((token) => sessionStorage.setItem("admin-token", token), TOKEN);
  await seen.page.goto(`${url}/#/control${page}`);
  await seen.page.reload();
  return seen;
}
