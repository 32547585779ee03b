/** Pictures of the test: what is there beside what the model finds. */
import { texts } from "../language";
import { spoken } from "../names";
import type { SheetBox, SheetItem } from "./model";
import { Thumbnail } from "./thumbnail";
import { percent } from "../words";

export function Sheet({ items }: { items: readonly SheetItem[] }) {
  const { models: words } = texts.value.control;
  return (
    <>
      <h5>{words.sheet}</h5>
      <p class="quiet">{words.sheetHint}</p>
      <ul class="pictures">
        {items.map((item, index) => <li key={index}><Seen item={item} /></li>)}
      </ul>
    </>
  );
}

function Seen({ item: { image, width, height, there, found } }: { item: SheetItem }) {
  const { models: words } = texts.value.control;
  return (
    <figure>
      <div class="overlaid">
        <Thumbnail image={image} alt={words.picture} width={width} height={height} />
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
          {there.map((box, index) => <Outline key={index} box={box} kind="truth" />)}
          {found.map((box, index) => <Outline key={index} box={box} kind="guess" />)}
        </svg>
      </div>
      <figcaption>
        <span>{words.there(there.map(({ label }) => spoken(label)).join(", ") || words.nothing)}</span>
        <span>{words.found(found.map(sure).join(", ") || words.nothing)}</span>
      </figcaption>
    </figure>
  );
}

function sure({ label, score }: SheetBox): string {
  return score == null ? spoken(label) : `${spoken(label)} ${percent(score)}`;
}

/** Twice, so that it is seen on any picture. */
function Outline({ box: { x, y, w, h }, kind }: { box: SheetBox; kind: "truth" | "guess" }) {
  return (
    <>
      <rect class="outline below" x={x} y={y} width={w} height={h} />
      <rect class={`outline ${kind}`} x={x} y={y} width={w} height={h} />
    </>
  );
}
