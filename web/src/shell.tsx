/** What surrounds every page. */
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { known } from "./cities";
import { Guide } from "./guide/guide";
import { language, languages, speak, texts, type Language } from "./language";
import { href, route } from "./route";

/** Pages that visitors do not need are loaded when they are opened. */
const PAGES: Record<string, () => Promise<ComponentType>> = {
  studio: async () => (await import("./studio/studio")).Studio,
  control: async () => (await import("./control/control")).Control,
};

export function Shell() {
  const { app, nav, language: label } = texts.value;
  const page = route.value[0] ?? "";
  const isHere = (name: string) => (page === name ? { "aria-current": "page" as const } : {});
  return (
    <>
      <header>
        <a class="brand" href={href()}>
          <img src="/icon.svg" alt="" width="32" height="32" />
          {app}
        </a>
        <nav aria-label={nav.label}>
          <a href={href()} {...isHere("")}>{nav.guide}</a>
          <CityPages isHere={isHere} />
          <a href="/docs/">API</a>
        </nav>
        <label class="sr" for="language">{label}</label>
        <select id="language" value={language.value} onChange={(event) => speak(event.currentTarget.value as Language)}>
          {Object.entries(languages).map(([tag, name]) => <option key={tag} value={tag} lang={tag}>{name}</option>)}
        </select>
      </header>
      {PAGES[page] ? <Later key={page} load={PAGES[page]} /> : <Guide />}
    </>
  );
}

/** Pages of servers that have cities of their own. */
function CityPages({ isHere }: { isHere: (name: string) => object }) {
  const { nav } = texts.value;
  if (known.value?.features.rooms !== true) return null;
  return (
    <>
      <a href={href("studio")} {...isHere("studio")}>{nav.studio}</a>
      <a href={href("control")} {...isHere("control")}>{nav.control}</a>
    </>
  );
}

/** A page that is loaded when it is opened. */
function Later({ load }: { load: () => Promise<ComponentType> }) {
  const { loading, loadFailed } = texts.value;
  const page = useSignal<ComponentType | null>(null);
  const failure = useSignal(false);
  useEffect(() => {
    load().then(
      (loaded) => (page.value = loaded),
      () => (failure.value = true),
    );
  }, []);
  if (failure.value) return <main><p role="alert" class="problem">{loadFailed}</p></main>;
  const Page = page.value;
  return Page === null ? <main><p>{loading}</p></main> : <Page />;
}
