/** The administrator's token, and requests with it. */
import { signal } from "@preact/signals";
import { ask, json, Refused } from "./api";

const KEY = "admin-token";

/** Kept until the browser is closed, or for good where that is asked for. */
export const token = signal<string | null>(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY));

export function enter(text: string, isKept: boolean): void {
  leave();
  (isKept ? localStorage : sessionStorage).setItem(KEY, text);
  token.value = text;
}

export function leave(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  token.value = null;
}

/** As `ask`; a token that is refused is forgotten. */
export async function askAdmin(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const mine = token.value;
  headers.set("authorization", `Bearer ${mine ?? ""}`);
  try {
    return await ask(path, { ...init, headers });
  } catch (error) {
    // Another one may have been entered meanwhile.
    if (error instanceof Refused && error.status === 401 && token.value === mine) leave();
    throw error;
  }
}

export async function askAdminJson<T>(path: string, init?: RequestInit): Promise<T> {
  return await json<T>(await askAdmin(path, init));
}
