/** Where pictures are looked at, and the city's model on this device. */
import { useSignal } from "@preact/signals";
import type { Model } from "../api";
import { chosen, city, known, modelOf } from "../cities";
import { texts } from "../language";
import { bytes } from "../numbers";
import { note } from "../log";
import { situation, wish, wished, type Where } from "../place";
import { canStore, cancel, download, downloading, remove, type Stored } from "../store";
import { plain, told } from "../told";
import { seen } from "./looking";

/** From here on people wait for an answer. */
const SLOW_MS = 1_000;

export function Device() {
  const { device } = texts.value;
  const name = city.value?.name ?? chosen.value ?? "";
  const now = situation.value;
  if (now.kind === "none" || (now.kind === "impossible" && now.why === "no-model")) return null;
  return (
    <section class="device">
      {canStore ? <Places /> : <p class="quiet">{device.onlyServer}</p>}
      <div role="status">
        {now.kind === "impossible" && <p class="problem">{device.offline(name)}</p>}
        {now.kind === "server" && <Ready name={name} />}
        {now.kind === "device" && <Ready name={name} />}
      </div>
      {now.kind === "download" && <Offer key={keyOf(now.model)} name={name} model={now.model} isUpdate={false} />}
      {now.kind === "device" && now.update && (
        <Offer key={keyOf(now.update)} name={name} model={now.update} isUpdate={true} />
      )}
      {now.kind === "device" && <Kept stored={now.stored} />}
      {now.kind === "device" && <Slow />}
    </section>
  );
}

function keyOf({ name, version, sha256 }: Model): string {
  return `${name}@${version} ${sha256}`;
}

function Places() {
  const { device } = texts.value;
  // Without a server the device looks, whatever was wished.
  const isServer = situation.value.kind === "server" || (situation.value.kind !== "device" && wished.value === "server");
  const hint = isServer ? device.serverHint : device.deviceHint;
  return (
    <fieldset>
      <legend>{device.label}</legend>
      {(["device", "server"] satisfies Where[]).map((place) => (
        <label class="check" key={place}>
          <input type="radio" name="where" checked={wished.value === place} onChange={() => wish(place)} />
          {device[place]}
        </label>
      ))}
      <p class="quiet">{hint}</p>
    </fieldset>
  );
}

function Ready({ name }: { name: string }) {
  const { device } = texts.value;
  return (
    <p>
      <strong>{device.readyTitle}</strong> {device.ready(name)}
    </p>
  );
}

/** A city, or a newer version of it, that can be downloaded. */
function Offer({ name, model, isUpdate }: { name: string; model: Model; isUpdate: boolean }) {
  const { device, ok, cancel: no } = texts.value;
  const isDeclined = useSignal(false);
  const failure = useSignal<string | null>(null);
  const slug = city.value?.slug;
  if (slug === undefined) return null;
  if (isDeclined.value) return <Declined name={name} model={model} isUpdate={isUpdate} again={() => (isDeclined.value = false)} />;
  const progress = downloading.value;
  if (progress?.city === slug) return <Progress done={progress.done} total={progress.total} />;
  const [version, size] = [versionOf(model), bytes(model.size)];
  const take = () => {
    failure.value = null;
    download(slug, name, model)
      .catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "AbortError") return;
        failure.value = told(error);
        note(`the download of ${name} failed: ${plain(error)}`, "error");
      });
  };
  return (
    <div class="card" role="group" aria-labelledby="offer">
      <h2 id="offer">{isUpdate ? device.update : device.download}</h2>
      <p>{isUpdate ? device.updateQuestion(name) : device.downloadQuestion(name)}</p>
      <p class="quiet">{isUpdate ? device.updateHint(version, size) : device.downloadHint(name, version, size)}</p>
      {failure.value !== null && <p role="alert" class="problem">{`${device.failed}: ${failure.value}`}</p>}
      <button type="button" class="primary" onClick={take}>{ok}</button>
      <button type="button" onClick={() => (isDeclined.value = true)}>{no}</button>
    </div>
  );
}

/** Whoever has declined may think again. */
function Declined({ name, model, isUpdate, again }: { name: string; model: Model; isUpdate: boolean; again: () => void }) {
  const { device } = texts.value;
  return (
    <p class="quiet">
      {!isUpdate && device.notReady}{" "}
      <button type="button" class="link" onClick={again}>
        {isUpdate ? device.updateNow(versionOf(model)) : device.downloadNow(name)}
      </button>
    </p>
  );
}

function versionOf({ version }: Model): string {
  return version ?? "–";
}

function Progress({ done, total }: { done: number; total: number }) {
  const { device, cancel: stop } = texts.value;
  return (
    <div class="card">
      <label>
        {device.progress(bytes(done), bytes(total))}
        <progress max={total} value={done} />
      </label>
      <button type="button" onClick={cancel}>{stop}</button>
    </div>
  );
}

/** The server may be faster than a phone. */
function Slow() {
  const { detection, device } = texts.value;
  const isThere = known.value?.isOnline === true && modelOf(chosen.value) !== null;
  if (!isThere || (seen.value?.latency ?? 0) < SLOW_MS) return null;
  return (
    <p class="quiet" role="status">
      {detection.slow}{" "}
      <button type="button" class="link" onClick={() => wish("server")}>{device.server}</button>
    </p>
  );
}

function Kept({ stored }: { stored: Stored }) {
  const { device } = texts.value;
  return (
    <p class="quiet">
      {device.stored(versionOf(stored.model), bytes(stored.size))}{" "}
      <button type="button" class="link" onClick={() => void remove(stored.city)}>{device.remove}</button>
    </p>
  );
}
