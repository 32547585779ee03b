/** Drawing what was found over the picture, readable on any background. */
import type { Detection, Report } from "../api";
import { spoken } from "../names";

/** The golden angle sets colours of neighbouring classes far apart. */
const GOLDEN_ANGLE = 137.508;

export function colour(label: string): string {
  let hash = 0;
  for (const character of label) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 3600;
  return `hsl(${(hash * GOLDEN_ANGLE) % 360} 85% 55%)`;
}

/** Draws the boxes of a picture on a canvas that has the picture's size; `scale` is canvas pixels a CSS pixel. */
export function draw(context: CanvasRenderingContext2D, report: Report, isDebug: boolean, scale: number): void {
  const detections = report.detections ?? [];
  for (const found of detections) {
    context.fillStyle = context.strokeStyle = colour(found.label);
    if (isDebug) outline(context, found, scale);
    dot(context, found, scale);
  }
  // Names last, so that no dot hides one.
  for (const found of detections) name(context, found, isDebug, scale);
}

function outline(context: CanvasRenderingContext2D, { box }: Detection, scale: number): void {
  context.lineWidth = 3 * scale;
  context.strokeRect(box.left, box.top, box.width, box.height);
}

function centre({ box }: Detection): [number, number] {
  return [box.left + box.width / 2, box.top + box.height / 2];
}

function dot(context: CanvasRenderingContext2D, found: Detection, scale: number): void {
  const [x, y] = centre(found);
  context.beginPath();
  context.arc(x, y, 8 * scale, 0, 2 * Math.PI);
  context.fill();
  context.lineWidth = 2 * scale;
  context.strokeStyle = "white";
  context.stroke();
}

function name(context: CanvasRenderingContext2D, found: Detection, isDebug: boolean, scale: number): void {
  const [x, y] = centre(found);
  const sure = isDebug ? ` ${found.confidence.toFixed(2)}` : "";
  const text = spoken(found.label) + sure;
  context.font = `600 ${16 * scale}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "bottom";
  const half = context.measureText(text).width / 2;
  const middle = Math.min(Math.max(x, half), Math.max(context.canvas.width - half, half));
  const bottom = Math.max(y - 12 * scale, 20 * scale);
  context.lineJoin = "round";
  context.lineWidth = 4 * scale;
  context.strokeStyle = "white";
  context.strokeText(text, middle, bottom);
  context.fillStyle = "black";
  context.fillText(text, middle, bottom);
}
