/** The guide: what a visitor uses. */
import { useEffect, useLayoutEffect } from "preact/hooks";
import { texts } from "../language";
import { known } from "../cities";
import { refused, take } from "./album";
import * as camera from "./camera";
import { CityChooser } from "./city-chooser";
import { CityRequest } from "./city-request";
import { Controls } from "./controls";
import { Device } from "./device";
import { Donation } from "./donation";
import { DebugPanel } from "./debug-panel";
import { isDebug, stop } from "./looking";
import { receive } from "./receiving";
import { SightList } from "./sight-list";
import { Stage } from "./stage";

export function Guide() {
  const { guide } = texts.value;
  const { isOnline, features } = known.value ?? {};
  useLayoutEffect(() => receive((files) => void take(files)), []);
  useEffect(() => leave, []);
  return (
    <main class="guide">
      <h1>{guide.title}</h1>
      <p class="lead">{guide.lead}</p>
      <CityChooser />
      <Device />
      <Stage />
      {refused.value !== null && <p role="alert" class="problem">{refused.value}</p>}
      <Controls />
      <SightList />
      {isDebug.value && <DebugPanel />}
      <Donation />
      {(!isOnline || features?.cities) && <CityRequest />}
    </main>
  );
}

/** Another page is shown: nobody is looked at any more. */
function leave(): void {
  stop();
  camera.stop();
}
