/** Errors in words. */
import { Nonsense, Refused, Unreachable } from "./api";
import { texts } from "./language";

/** In the language of the app, as far as it has words for them; what only the server can say it says in English. */
export function told(error: unknown): string {
  const { unreachable, nonsense, problems } = texts.value;
  if (error instanceof Unreachable) return unreachable;
  if (error instanceof Nonsense) return nonsense;
  if (error instanceof Refused) return problems[error.slug] ?? error.message;
  return plain(error);
}

/** As they were thrown, for the log. */
export function plain(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
