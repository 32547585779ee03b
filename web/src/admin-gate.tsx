/** Asks for the administrator's token before a page that needs it. */
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import { askAdmin, enter, leave, token } from "./admin";
import { Refused } from "./api";
import { texts } from "./language";
import { told } from "./told";

/** Who is allowed in is asked with a request that only they may make. */
export function AdminGate({ probe, children }: { probe: string; children: ComponentChildren }) {
  const { admin } = texts.value;
  const failure = useSignal<string | null>(null);
  const isKept = useSignal(false);
  const text = useSignal("");
  // Nothing else is asked for with a token that may be wrong: a server lets nobody in for a while who has tried too many.
  const isProving = useSignal(false);
  if (token.value !== null && !isProving.value) {
    return (
      <>
        {children}
        <footer><button type="button" class="link" onClick={leave}>{admin.leave}</button></footer>
      </>
    );
  }
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    isProving.value = true;
    enter(text.value.trim(), isKept.value);
    failure.value = await askAdmin(probe).then(() => null, why);
    if (failure.value !== null) leave();
    isProving.value = false;
  };
  const why = (error: unknown) => {
    if (error instanceof Refused && error.status === 401) return admin.wrong;
    // Such as too many wrong tokens: whether this one is right is not known.
    return told(error);
  };
  return (
    <main>
      <h1>{admin.title}</h1>
      <p class="quiet">{admin.hint}</p>
      <form onSubmit={(event) => void submit(event)}>
        <label for="token">{admin.label}</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          required
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <label class="check">
          <input type="checkbox" checked={isKept.value} onChange={(event) => (isKept.value = event.currentTarget.checked)} />
          {admin.keep}
        </label>
        <button type="submit" class="primary">{admin.enter}</button>
      </form>
      {failure.value !== null && <p role="alert" class="problem">{failure.value}</p>}
    </main>
  );
}
