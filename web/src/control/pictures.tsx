/** The pictures of a city by what a review has said about them. */
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdmin } from "../admin";
import { post } from "../api";
import { texts } from "../language";
import { spoken } from "../names";
import { useDeed } from "./deed";
import { pathOf } from "./life";
import { usePaged } from "./paged";
import { Failed } from "../trouble";
import { Thumbnail } from "./thumbnail";

const REVIEWS = ["accepted", "quarantined", "pending", "rejected"] as const;
export type Review = (typeof REVIEWS)[number];

const AT_ONCE = 12;

interface Picture {
  id: string;
  width: number;
  height: number;
  source: string;
  licence: string | null;
  sight: string | null;
  review: Review;
}

export function Pictures({ slug, changed }: { slug: string; changed: () => void }) {
  const { pictures: words, more } = texts.value.control;
  const review = useSignal<Review>("accepted");
  const paged = usePaged<Picture>(`${pathOf(slug, "images")}?limit=${AT_ONCE}&review=${review.value}`);
  const status = useRef<HTMLParagraphElement>(null);
  const decided = (picture: Picture) => {
    // Its buttons go with it.
    status.current?.focus();
    paged.drop(picture);
    changed();
  };
  const isEmptied = paged.items.length === 0 && paged.hasMore && !paged.isBusy && paged.failure === null;
  useEffect(() => {
    // All that were shown are decided, and there are others.
    if (isEmptied) paged.more();
  }, [isEmptied]);
  return (
    <section>
      <h4>{words.title}</h4>
      <fieldset class="choices">
        <legend>{words.review}</legend>
        {REVIEWS.map((one) => (
          <label class="check" key={one}>
            <input type="radio" name="review" checked={review.value === one} onChange={() => (review.value = one)} />
            {words.reviews[one]}
          </label>
        ))}
      </fieldset>
      <Failed failure={paged.failure} again={paged.more} />
      <p class="quiet" role="status" ref={status} tabIndex={-1}>
        {told(paged.isBusy || isEmptied, paged.failure, paged.items.length)}
      </p>
      <ul class="pictures">
        {paged.items.map((picture) => <Shown key={picture.id} picture={picture} decided={() => decided(picture)} />)}
      </ul>
      {paged.hasMore && <button type="button" disabled={paged.isBusy} onClick={paged.more}>{more}</button>}
    </section>
  );
}

function told(isBusy: boolean, failure: string | null, count: number): string | null {
  const { control, loading } = texts.value;
  if (isBusy) return loading;
  return failure === null ? control.pictures.shown(count) : null;
}

function Shown({ picture, decided }: { picture: Picture; decided: () => void }) {
  const { pictures: words } = texts.value.control;
  const sight = picture.sight === null ? null : spoken(picture.sight);
  return (
    <li>
      <figure>
        <Thumbnail image={picture.id} alt={sight ?? words.title} width={picture.width} height={picture.height} />
        <figcaption>
          <strong>{sight ?? words.noSight}</strong>
          <span><Source source={picture.source} /></span>
          <span>{picture.licence ?? words.unlicensed}</span>
        </figcaption>
      </figure>
      {(picture.review === "quarantined" || picture.review === "pending") && <Verdict image={picture.id} decided={decided} />}
    </li>
  );
}

/** A link where it is an address in the web; else it says what it is. */
function Source({ source }: { source: string }) {
  const { pictures: words } = texts.value.control;
  if (!/^https?:\/\//.test(source)) return <>{source}</>;
  const host = URL.canParse(source) ? new URL(source).host : source;
  return <a href={source} target="_blank" rel="noreferrer">{words.source(host)}</a>;
}

function Verdict({ image, decided }: { image: string; decided: () => void }) {
  const { pictures: words } = texts.value.control;
  const { isBusy, failure, attempt } = useDeed();
  const say = (review: Review) =>
    attempt(async () => {
      await askAdmin(`/v1/images/${encodeURIComponent(image)}/review`, post({ review }));
      decided();
    });
  return (
    <div class="controls">
      <button type="button" disabled={isBusy} onClick={() => say("accepted")}>{words.accept}</button>
      <button type="button" disabled={isBusy} onClick={() => say("rejected")}>{words.reject}</button>
      {failure !== null && <p role="alert" class="problem">{failure}</p>}
    </div>
  );
}
