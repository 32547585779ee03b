/** The studio: what a labeller uses. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { AdminGate } from "../admin-gate";
import { known } from "../cities";
import { texts } from "../language";
import { spoken } from "../names";
import { number } from "../numbers";
import { href, route } from "../route";
import { ACTIONS, name } from "./actions";
import { Buttons } from "./buttons";
import { Editor } from "./editor";
import { Exchange } from "./exchange";
import { press } from "./keys";
import { Merges } from "./merges";
import { refused, waiting } from "./outbox";
import * as session from "./session";
import { Shortcuts } from "./shortcuts";
import { Statistics } from "./statistics";
import { certainty, search } from "./view";

export function Studio() {
  return (
    <AdminGate probe="/v1/jobs?limit=1">
      <Work />
    </AdminGate>
  );
}

function Work() {
  const { studio } = texts.value;
  const slug = route.value[1] ?? null;
  const isReady = slug !== null && session.reviewer.value !== "";
  useEffect(() => {
    if (isReady) void session.begin(slug);
  }, [slug, isReady]);
  return (
    <main class="studio">
      <h1>{studio.title}</h1>
      {isReady ? <Session slug={slug} /> : <Entrance />}
    </main>
  );
}

/** Who looks, and at which city. */
function Entrance() {
  const { studio } = texts.value;
  const name = useSignal(session.reviewer.value);
  const cities = known.value?.cities ?? [];
  const city = useSignal(route.value[1] ?? "");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        session.rename(name.value.trim());
        location.hash = href("studio", city.value);
      }}
    >
      <label for="reviewer">{studio.reviewer}</label>
      <input id="reviewer" required maxLength={100} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
      <label for="studio-city">{texts.value.cities.label}</label>
      <select id="studio-city" required value={city.value} onChange={(event) => (city.value = event.currentTarget.value)}>
        <option value="">{texts.value.cities.choose}</option>
        {cities.map((one) => <option key={one.slug} value={one.slug}>{one.name}</option>)}
      </select>
      <button type="submit" class="primary">{studio.begin}</button>
    </form>
  );
}

function Session({ slug }: { slug: string }) {
  const { studio, retry } = texts.value;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (press(event)) event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
  const current = session.task.value;
  const failure = session.failure.value;
  return (
    <>
      <p class="quiet" role="status">
        {current !== null && studio.open(number(current.open))}
        {current?.sight && ` · ${studio.sight(spoken(current.sight))}`}
        {current?.doubt != null && ` · ${studio.doubt(number(current.doubt, { style: "percent" }))}`}
      </p>
      {waiting.value.length > 0 && <p role="status" class="problem">{studio.waiting(number(waiting.value.length))}</p>}
      {refused.value !== null && <p role="alert" class="problem">{studio.refused}: {refused.value}</p>}
      {failure !== null && (
        <p role="alert" class="problem">
          {failure === "unnamed" ? studio.unnamed : failure}{" "}
          {current === null && <button type="button" onClick={() => void session.begin(slug)}>{retry}</button>}
        </p>
      )}
      {session.isDone.value && <p role="status">{studio.done}</p>}
      <div class="desk">
        <div>
          <Buttons group="tools" />
          <Editor />
          <Buttons group="decisions" />
        </div>
        <aside>
          <Names />
          <Boxes />
        </aside>
      </div>
      <Shortcuts />
      <Statistics city={slug} />
      <Merges city={slug} />
      <Exchange city={slug} />
    </>
  );
}

/** The names that boxes can have; the first nine are given by digits. */
function Names() {
  const { studio } = texts.value;
  const needed = session.needed.value;
  const wanted = useSignal("");
  const plain = wanted.value.trim().toLowerCase();
  const found = session.classes.value
    .map((one, index) => ({ ...one, index }))
    .filter((one) => spoken(one.name).toLowerCase().includes(plain) || one.name.toLowerCase().includes(plain));
  const give = (label: string) => {
    name(label);
    wanted.value = "";
    search.current?.blur();
  };
  return (
    <form
      class="names"
      onSubmit={(event) => {
        event.preventDefault();
        const label = found[0]?.name ?? wanted.value.trim();
        if (label !== "") give(label);
      }}
    >
      <label for="name">{studio.name}</label>
      <input
        id="name"
        ref={search}
        aria-keyshortcuts={ACTIONS.search.keys.join(" ")}
        autocomplete="off"
        value={wanted.value}
        onInput={(event) => (wanted.value = event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && search.current?.blur()}
      />
      <ol>
        {found.map(({ name: label, images, index }) => (
          <li key={label}>
            <button type="button" class="link" onClick={() => give(label)}>
              {index < 9 && <kbd>{index + 1}</kbd>} {spoken(label)}
            </button>{" "}
            <span class="quiet">
              {needed === null || images >= needed ? studio.images(number(images)) : studio.missing(number(images), number(needed))}
            </span>
            {needed !== null && <progress aria-hidden="true" max={needed} value={images} />}
          </li>
        ))}
      </ol>
    </form>
  );
}

/** The boxes in words, for those who do not see the picture or do not point. */
function Boxes() {
  const { studio } = texts.value;
  const { boxes, selected } = session.edited.value;
  return (
    <section>
      <h2>{studio.boxes}</h2>
      <ul class="boxes">
        {boxes.map((box, index) => (
          <li key={index}>
            <button
              type="button"
              class="link"
              aria-pressed={index === selected}
              onClick={() => session.change({ boxes, selected: index })}
            >
              {box.label === "" ? studio.nameless : spoken(box.label)}
            </button>{" "}
            <span class="quiet">{certainty(box.score)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
