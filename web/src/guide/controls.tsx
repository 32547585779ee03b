/** Choosing what is looked at, and looking. */
import { useRef } from "preact/hooks";
import { city } from "../cities";
import { texts } from "../language";
import { milliseconds } from "../numbers";
import { isReady } from "../place";
import { album, place, take, turn } from "./album";
import * as camera from "./camera";
import * as looking from "./looking";

export function Controls() {
  const { guide, detection, debug } = texts.value;
  return (
    <section class="controls">
      <Pictures />
      <Camera />
      <Look />
      <label class="check">
        <input
          type="checkbox"
          checked={looking.isDebug.value}
          onChange={(event) => (looking.isDebug.value = event.currentTarget.checked)}
        />
        {debug.toggle}
      </label>
      {looking.seen.value !== null && <p class="quiet">{detection.took(milliseconds(looking.seen.value.latency))}</p>}
      {looking.hasNoCity.value && (
        <p role="alert" class="problem">
          <strong>{guide.noCity}</strong> {guide.noCityHint}
        </p>
      )}
      {looking.failure.value !== null && (
        <p role="alert" class="problem">{`${detection.failed}: ${looking.failure.value}`}</p>
      )}
    </section>
  );
}

function Pictures() {
  const { input } = texts.value;
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => chooser.current?.click()}>{input.choosePictures}</button>
      {looking.picture.value !== null && album.value.length > 1 && <Album />}
      {looking.picture.value !== null && (
        <button type="button" onClick={looking.closePicture}>{input.closePicture}</button>
      )}
      <input
        ref={chooser}
        type="file"
        accept="image/*"
        multiple
        hidden
        aria-label={input.choosePictures}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          event.currentTarget.value = "";
          void take(files);
        }}
      />
    </>
  );
}

function Album() {
  const { input } = texts.value;
  return (
    <>
      <button type="button" onClick={() => void turn(-1)}>{input.previous}</button>
      <span role="status">{input.place(place.value + 1, album.value.length)}</span>
      <button type="button" onClick={() => void turn(1)}>{input.next}</button>
    </>
  );
}

function Camera() {
  const { input } = texts.value;
  const isOn = camera.stream.value !== null;
  if (camera.trouble.value !== null && !isOn) return <CameraTrouble trouble={camera.trouble.value} />;
  if (!isOn) return <button type="button" onClick={() => void switchOn()}>{input.startCamera}</button>;
  return (
    <>
      {camera.cameras.value.length > 1 && <CameraChooser />}
      <button type="button" onClick={camera.stop}>{input.stopCamera}</button>
    </>
  );
}

async function switchOn(id?: string): Promise<void> {
  looking.closePicture();
  await camera.start(id);
}

function CameraChooser() {
  const { input } = texts.value;
  return (
    <>
      <label class="sr" for="camera">{input.chooseCamera}</label>
      <select id="camera" value={camera.current() ?? ""} onChange={(event) => void switchOn(event.currentTarget.value)}>
        {camera.cameras.value.map(({ deviceId, label }, place) => (
          <option key={deviceId} value={deviceId}>{label || `${input.camera} ${place + 1}`}</option>
        ))}
      </select>
      <button type="button" onClick={() => void camera.turn()}>{input.otherSide}</button>
    </>
  );
}

function CameraTrouble({ trouble }: { trouble: camera.Trouble }) {
  const { input, retry } = texts.value;
  const why = {
    insecure: input.cameraInsecure,
    refused: input.cameraRefused,
    missing: input.cameraMissing,
    busy: input.cameraBusy,
  }[trouble];
  return (
    <div class="problem">
      <p><strong>{input.cameraOff}</strong> {why}</p>
      {trouble !== "insecure" && <button type="button" onClick={() => void switchOn()}>{retry}</button>}
    </div>
  );
}

function Look() {
  const { detection, device } = texts.value;
  if (looking.isLooking.value) {
    return <button type="button" class="primary" onClick={looking.stop}>{detection.stop}</button>;
  }
  const isBlocked = city.value !== null && !isReady.value;
  return (
    <button
      type="button"
      class="primary"
      disabled={!looking.hasSource.value || isBlocked}
      title={isBlocked ? device.notReady : undefined}
      onClick={() => void looking.start()}
    >
      {detection.start}
    </button>
  );
}
