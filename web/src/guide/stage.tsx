/** Where pictures and the camera are seen, with what was found drawn over them. */
import { useEffect, useRef } from "preact/hooks";
import { texts } from "../language";
import { spoken } from "../names";
import type { Texts } from "../texts/en";
import * as camera from "./camera";
import { draw } from "./drawing";
import { isDebug, isLooking, picture, seen } from "./looking";
import { isOver } from "./receiving";

export function Stage() {
  const { input, detection } = texts.value;
  const isEmpty = picture.value === null && camera.stream.value === null;
  return (
    <section class={`stage${isOver.value ? " over" : ""}`} aria-label={input.picture}>
      {isEmpty && (
        <p class="drop">
          <strong>{input.drop}</strong>
          <span>{input.dropHint}</span>
        </p>
      )}
      {picture.value !== null && <StillPicture bitmap={picture.value.bitmap} name={picture.value.name} />}
      {picture.value === null && camera.stream.value !== null && <Feed stream={camera.stream.value} />}
      {!isEmpty && <Overlay />}
      <p class="found" role="status">{found(detection)}</p>
    </section>
  );
}

function StillPicture({ bitmap, name }: { bitmap: ImageBitmap; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => canvas.current?.getContext("2d")?.drawImage(bitmap, 0, 0), [bitmap]);
  return <canvas ref={canvas} role="img" aria-label={name} width={bitmap.width} height={bitmap.height} />;
}

function Feed({ stream }: { stream: MediaStream }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  return <video ref={video} autoplay muted playsInline />;
}

/** Lies over the picture, with the same shape. */
function Overlay() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const report = seen.value?.report ?? null;
  const isDetailed = isDebug.value;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context) return;
    context.clearRect(0, 0, canvas.current.width, canvas.current.height);
    const { width, height, clientWidth, clientHeight } = canvas.current;
    // The picture keeps its shape in its frame.
    const scale = Math.max(width / (clientWidth || 1), height / (clientHeight || 1));
    if (report) draw(context, report, isDetailed, scale);
  }, [report, isDetailed]);
  return <canvas ref={canvas} class="overlay" aria-hidden width={report?.width ?? 1} height={report?.height ?? 1} />;
}

/** The same in words, for those who listen; in one order, so that it is said again only when it changes. */
function found(words: Texts["detection"]): string {
  if (seen.value === null) return isLooking.value ? words.looking : "";
  const { detections, classes } = seen.value.report;
  const names = [...new Set((detections ?? classes ?? []).map(({ label }) => spoken(label)))].sort();
  return names.length > 0 ? words.found(names.join(", ")) : words.nothing;
}
