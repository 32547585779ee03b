/** Experiments: how long answers take, by numbers of workers and of clients. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdmin, askAdminJson } from "../admin";
import { post } from "../api";
import { cityName, known } from "../cities";
import { texts } from "../language";
import { save } from "../save";
import { number } from "../numbers";
import { useAsked } from "../asked";
import { useDeed } from "./deed";
import { Moment, Sure } from "./parts";
import { Trouble } from "../trouble";
import { ago } from "../words";

const EVERY_MS = 2_000;
const PLOTS = ["response-times.svg", "performance.svg"] as const;
const DOWNLOADS = ["cells.csv", "report.html"] as const;

type File = (typeof PLOTS)[number] | (typeof DOWNLOADS)[number];

interface Experiment {
  name: string;
  city: string;
  state: "running" | "done" | "failed" | "stopped";
  /** Cells that were measured, and those of the matrix. */
  have: number;
  want: number;
  workers: number[];
  threads: number[];
  repeats: number;
  message: string | null;
  begun_at: number;
  files: File[];
}

export function Experiments() {
  const { experiments } = texts.value.control;
  const list = useAsked(() => askAdminJson<{ items: Experiment[] }>("/v1/experiments"), EVERY_MS);
  const items = list.value?.items;
  return (
    <>
      <Start isRunning={items?.some(({ state }) => state === "running") ?? false} started={list.again} />
      <Trouble asked={list} />
      {items?.length === 0 && <p role="status">{experiments.none}</p>}
      {items?.map((one) => <Item key={one.name} experiment={one} changed={list.again} />)}
    </>
  );
}

/** Numbers as people write lists of them: 1, 2, 4. */
const LIST = "\\s*[1-9][0-9]*([\\s,;]+[1-9][0-9]*)*\\s*";

function numbers(text: string): number[] {
  const isList = new RegExp(`^${LIST}$`).test(text);
  return isList ? [...new Set(text.trim().split(/[\s,;]+/).map(Number))] : [];
}

/** What a form has: the experiment that is asked for. */
interface Wish {
  city: string;
  workers: string;
  threads: string;
  repeats: string;
  pictures: string;
  cpus: string;
}

const USUAL: Wish = { city: "", workers: "1, 2", threads: "1, 2, 4", repeats: "1", pictures: "16", cpus: "" };

function plan({ city, workers, threads, repeats, pictures, cpus }: Wish) {
  const limit = cpus === "" ? {} : { cpus: Number(cpus) };
  const sizes = { workers: numbers(workers), threads: numbers(threads), repeats: Number(repeats) };
  return { city, ...sizes, pictures: Number(pictures), ...limit };
}

function Start({ isRunning, started }: { isRunning: boolean; started: () => void }) {
  const { experiments } = texts.value.control;
  const wish = useSignal(USUAL);
  const { isBusy, failure, attempt } = useDeed();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    attempt(() => askAdmin("/v1/experiments", post(plan(wish.value))).then(started));
  };
  const { workers, threads, repeats } = plan(wish.value);
  const set = (wished: Partial<Wish>) => (wish.value = { ...wish.value, ...wished });
  return (
    <form class="card" onSubmit={submit}>
      <h2>{experiments.start}</h2>
      <p class="quiet">{experiments.lead}</p>
      <Fields wish={wish.value} set={set} />
      <p role="status">{experiments.cells(workers.length * threads.length * repeats)}</p>
      <button type="submit" class="primary" disabled={isBusy || isRunning}>{experiments.begin}</button>
      {isRunning && <p class="quiet">{experiments.oneAtATime}</p>}
      {failure !== null && <p role="alert" class="problem">{failure}</p>}
    </form>
  );
}

function Fields({ wish, set }: { wish: Wish; set: (wished: Partial<Wish>) => void }) {
  const { cities, control } = texts.value;
  const { experiments } = control;
  const list = (name: "workers" | "threads") => (
    <label>
      {experiments[name]}
      <input
        required
        inputMode="numeric"
        pattern={LIST}
        title={experiments.list}
        value={wish[name]}
        onInput={(event) => set({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  const count = (name: "repeats" | "pictures", max: number) => (
    <label>
      {experiments[name]}
      <input
        type="number"
        required
        min="1"
        max={max}
        value={wish[name]}
        onInput={(event) => set({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  return (
    <div class="filters">
      <label>
        {cities.label}
        <select required value={wish.city} onChange={(event) => set({ city: event.currentTarget.value })}>
          <option value="">{cities.choose}</option>
          {known.value?.cities.map(({ slug, name }) => <option key={slug} value={slug}>{name}</option>)}
        </select>
      </label>
      {list("workers")}
      {list("threads")}
      {count("repeats", 20)}
      {count("pictures", 1_000)}
      <label>
        {experiments.cpus}
        <input
          type="number"
          min="0.05"
          max="64"
          step="any"
          placeholder={experiments.noLimit}
          value={wish.cpus}
          onInput={(event) => set({ cpus: event.currentTarget.value })}
        />
      </label>
    </div>
  );
}

function Item({ experiment, changed }: { experiment: Experiment; changed: () => void }) {
  const { experiments } = texts.value.control;
  const { name, city, state, have, want, workers, threads, repeats, message, begun_at, files } = experiment;
  const list = (values: number[]) => values.map((value) => number(value)).join(", ");
  return (
    <section class="card" aria-label={name}>
      <h2>{name} <span class="quiet">{cityName(city)}</span></h2>
      <p>
        {experiments.states[state]}, <Moment at={begun_at}>{experiments.begun(ago(begun_at))}</Moment>
      </p>
      <p class="quiet">{experiments.matrix(list(workers), list(threads), repeats)}</p>
      <label>
        {experiments.progress(have, want)}
        <progress max={want} value={have} />
      </label>
      {message !== null && <p class={state === "failed" ? "reason problem" : "reason quiet"}>{message}</p>}
      {state === "running" && <Stop name={name} changed={changed} />}
      <div class="charts">
        {PLOTS.filter((file) => files.includes(file)).map((file) => (
          <Plot key={`${file} ${state}`} name={name} file={file} />
        ))}
      </div>
      <Downloads name={name} files={DOWNLOADS.filter((file) => files.includes(file))} />
    </section>
  );
}

function address(name: string, file: File): string {
  return `/v1/experiments/${encodeURIComponent(name)}/files/${file}`;
}

function Stop({ name, changed }: { name: string; changed: () => void }) {
  const { experiments } = texts.value.control;
  const { isBusy, failure, attempt } = useDeed();
  const path = `/v1/experiments/${encodeURIComponent(name)}/stop`;
  const stop = () => attempt(() => askAdmin(path, { method: "POST" }).then(changed));
  return (
    <>
      <Sure
        label={experiments.stop}
        question={experiments.reallyStop}
        yes={experiments.yesStop}
        isDisabled={isBusy}
        act={stop}
      />
      {failure !== null && <p role="alert" class="problem">{failure}</p>}
    </>
  );
}

/** A plot: only requests with the token get it, so that the page itself fetches it. */
function Plot({ name, file }: { name: string; file: (typeof PLOTS)[number] }) {
  const picture = useAsked(async () => {
    const response = await askAdmin(address(name, file));
    return new Blob([await response.blob()], { type: "image/svg+xml" });
  });
  const shown = useSignal<string | null>(null);
  useEffect(() => {
    if (picture.value === null) return;
    const made = URL.createObjectURL(picture.value);
    shown.value = made;
    return () => URL.revokeObjectURL(made);
  }, [picture.value]);
  if (shown.value === null) return <Trouble asked={picture} />;
  return <img class="plot" src={shown.value} alt={texts.value.control.experiments.plots[file]} />;
}

function Downloads({ name, files }: { name: string; files: (typeof DOWNLOADS)[number][] }) {
  const { experiments } = texts.value.control;
  const { isBusy, failure, attempt } = useDeed();
  const download = async (file: File) => {
    const response = await askAdmin(address(name, file));
    save(await response.blob(), `${name}-${file}`);
  };
  return (
    <p>
      {files.map((file) => (
        <button key={file} type="button" class="link" disabled={isBusy} onClick={() => attempt(() => download(file))}>
          {experiments.downloads[file]}
        </button>
      ))}
      {failure !== null && <span role="alert" class="problem">{failure}</span>}
    </p>
  );
}
