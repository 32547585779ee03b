/** The picture with its boxes, for mouse, pen and touch. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { colour } from "../guide/drawing";
import { texts } from "../language";
import { spoken } from "../names";
import { between, CORNERS, cornerOf, type Corner, type Labelled } from "./boxes";
import { Gestures } from "./gestures";
import { edited, isDone, picture, task, type Task } from "./session";
import { certainty, nextLabel, zoom } from "./view";

/** Of a handle, as a part of the picture's width. */
const RADIUS = 0.012;

export function Editor() {
  const { studio } = texts.value;
  const surface = useRef<SVGSVGElement>(null);
  const gestures = useMemo(() => new Gestures(() => surface.current!), []);
  useLayoutEffect(() => gestures.hold());
  useSelectedInView(surface, gestures);
  // It stays until the next one comes, so that the page keeps its place.
  const last = useRef<Task | null>(null);
  const isAnswered = task.value === null;
  const current = (last.current = task.value ?? last.current);
  if (current === null || picture.value === null || isDone.value) return null;
  const now = gestures.now.value;
  const shape = current.width / current.height;
  const { selected } = edited.value;
  const boxes = gestures.shown(edited.value.boxes);
  const box = selected === null ? undefined : boxes[selected];
  return (
    <div class="editor" role="region" aria-label={studio.editor} tabIndex={0}>
      <div class={isAnswered ? "sheet answered" : "sheet"} data-zoom={zoom.value} style={{ "--shape": shape }}>
        <img
          src={picture.value}
          alt={studio.picture(spoken(current.sight ?? ""))}
          width={current.width}
          height={current.height}
        />
        <svg
          ref={surface}
          viewBox="0 0 1 1"
          preserveAspectRatio="none"
          role="group"
          aria-label={studio.boxes}
          onPointerDownCapture={(event) => gestures.touch(event)}
          onPointerDown={(event) => gestures.draw(event)}
          onPointerMove={(event) => gestures.move(event)}
          onPointerUp={(event) => gestures.lift(event)}
          onPointerCancel={(event) => gestures.cancel(event)}
        >
          {boxes.map((box, index) => (
            <Box key={index} box={box} isSelected={index === selected} grab={(event) => gestures.grab(event, index, "move")} />
          ))}
          {selected !== null && box !== undefined && (
            <Handles box={box} shape={shape} grab={(event, corner) => gestures.grab(event, selected, corner)} />
          )}
          {now?.kind === "draw" && <Outline box={between(now.from, now.to, nextLabel.value)} isSelected={true} />}
        </svg>
      </div>
    </div>
  );
}

/** An enlarged picture is scrolled to the box that is selected or changed; not while a pointer holds it. */
function useSelectedInView(surface: RefObject<SVGSVGElement | null>, gestures: Gestures): void {
  const { boxes, selected } = edited.value;
  const box = selected === null ? undefined : boxes[selected];
  const isEnlarged = zoom.value > 1;
  useEffect(() => {
    if (!isEnlarged || gestures.now.value !== null) return;
    surface.current?.querySelector(".selected")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [box, zoom.value]);
}

interface BoxProps {
  box: Labelled;
  isSelected: boolean;
  grab: (event: PointerEvent) => void;
}

function Box({ box, isSelected, grab }: BoxProps) {
  return (
    <g role="img" aria-label={`${spoken(box.label)} ${certainty(box.score)}`.trim() || texts.value.studio.nameless}>
      <Outline box={box} isSelected={isSelected} />
      <rect class="grip" x={box.x} y={box.y} width={box.w} height={box.h} onPointerDown={grab} />
    </g>
  );
}

interface HandlesProps {
  box: Labelled;
  /** The picture's width by its height. */
  shape: number;
  grab: (event: PointerEvent, corner: Corner) => void;
}

/** The corners of the selected box; they come last, so that no other box lies over them. */
function Handles({ box, shape, grab }: HandlesProps) {
  const handle = (corner: Corner) => {
    const { x, y } = cornerOf(box, corner);
    const pressed = (event: PointerEvent) => grab(event, corner);
    return <ellipse key={corner} class={`handle ${corner}`} cx={x} cy={y} rx={RADIUS} ry={RADIUS * shape} onPointerDown={pressed} />;
  };
  return <>{CORNERS.map(handle)}</>;
}

function Outline({ box, isSelected }: { box: Labelled; isSelected: boolean }) {
  return (
    <rect
      class={isSelected ? "outline selected" : "outline"}
      stroke={colour(box.label)}
      x={box.x}
      y={box.y}
      width={box.w}
      height={box.h}
    />
  );
}
