/** One person's work on the pictures of a city: the picture that is shown, what was done to it, and the one before. */
import { computed, signal } from "@preact/signals";
import { askAdmin, askAdminJson } from "../admin";
import { post } from "../api";
import { told } from "../told";
import { note, noteTrouble } from "../log";
import { begun, changed, type Edited, type History, type Labelled, redone, undone } from "./boxes";
import { savedList } from "../saved";
import { flush, say, type Verdict } from "./outbox";

export interface Task {
  image: string;
  file: string;
  width: number;
  height: number;
  sight: string | null;
  doubt: number | null;
  basis: string | null;
  boxes: Labelled[];
  open: number;
}

export interface Class {
  name: string;
  images: number;
}

const NAME = "reviewer";
/** More pictures at once nobody leaves unfinished. */
const MOST_DRAFTS = 20;

/** What was done to a picture that is not finished yet. */
interface Draft {
  image: string;
  reviewer: string;
  basis: string | null;
  now: Edited;
}

/** The newest first. */
const drafts = savedList<Draft>("drafts");

export const reviewer = signal(localStorage.getItem(NAME) ?? "");
export const city = signal<string | null>(null);
export const task = signal<Task | null>(null);
/** The address of the picture in this page. */
export const picture = signal<string | null>(null);
export const history = signal<History>(begun([]));
export const classes = signal<readonly Class[]>([]);
/** So many pictures a sight needs before it is learnt; null where the server does not say so. */
export const needed = signal<number | null>(null);
export const isDone = signal(false);
export const failure = signal<string | null>(null);
/** The boxes of the picture before, to be copied. */
const before = signal<readonly Labelled[]>([]);
/** The reviews of this session that can be taken back, the newest last. */
export const said = signal<readonly string[]>([]);

export const edited = computed(() => history.value.now);
export const canUndo = computed(() => task.value !== null && history.value.past.length > 0);
export const canRedo = computed(() => task.value !== null && history.value.future.length > 0);
export const canCopy = computed(() => task.value !== null && before.value.length > 0);
const isTakingBack = signal(false);
/** Not while an answer is on its way. */
export const canTakeBack = computed(() => said.value.length > 0 && !isTakingBack.value && (task.value !== null || isDone.value));
const isChanged = computed(() => history.value.now.boxes !== task.value?.boxes);

export function rename(name: string): void {
  reviewer.value = name;
  localStorage.setItem(NAME, name);
}

/** Begins with a city: reviews that still wait are sent first. */
export async function begin(slug: string): Promise<void> {
  city.value = slug;
  task.value = null;
  isDone.value = false;
  said.value = [];
  before.value = [];
  needed.value = null;
  await flush();
  await Promise.all([next(), list()]);
}

const NAMES = "names of the city's sights";

/** The names, and how far each is. */
async function list(): Promise<void> {
  const slug = encodeURIComponent(city.value ?? "");
  try {
    const found = await askAdminJson<{ items: Class[] }>(`/v1/label/classes?city=${slug}`);
    classes.value = found.items;
    const about = await askAdminJson<{ min_images_per_label?: number }>(`/v1/cities/${slug}`);
    needed.value = about.min_images_per_label ?? null;
    noteTrouble(NAMES, null);
  } catch (error) {
    // What was known stays; names can be typed without the list.
    noteTrouble(NAMES, String(error));
  }
}

/** The picture that machines leave most open. */
async function next(): Promise<void> {
  const query = new URLSearchParams({ city: city.value ?? "", reviewer: reviewer.value });
  try {
    failure.value = null;
    const response = await askAdmin(`/v1/label/next?${query}`);
    if (response.status === 204) {
      task.value = null;
      isDone.value = true;
      return;
    }
    await show((await response.json()) as Task);
  } catch (error) {
    failure.value = told(error);
    note(`no picture: ${failure.value}`, "warn");
  }
}

async function show(found: Task): Promise<void> {
  const bytes = await (await askAdmin(found.file)).blob();
  if (picture.value !== null) URL.revokeObjectURL(picture.value);
  picture.value = URL.createObjectURL(bytes);
  history.value = begun(found.boxes);
  const draft = drafted(found);
  if (draft) history.value = changed(history.value, draft);
  task.value = found;
  isDone.value = false;
}

/** What was done to this picture before the page was closed. */
function drafted({ image, basis }: Task): Edited | null {
  return drafts.list.value.find((draft) => isMine(draft, image) && draft.basis === basis)?.now ?? null;
}

function isMine(draft: Draft, image: string): boolean {
  return draft.image === image && draft.reviewer === reviewer.value;
}

function forget(image: string): void {
  drafts.change((kept) => kept.filter((draft) => !isMine(draft, image)));
}

export function change(to: Edited): void {
  become(changed(history.value, to));
}

export function undo(): void {
  become(undone(history.value));
}

export function redo(): void {
  become(redone(history.value));
}

/** What was wrong before may be right now; and what was done is kept. */
function become(next: History): void {
  // What went wrong is told until a picture is there.
  if (task.value === null) return;
  history.value = next;
  failure.value = null;
  const { image, basis } = task.value;
  forget(image);
  if (!isChanged.value) return;
  const draft = { image, reviewer: reviewer.value, basis, now: edited.value };
  drafts.change((kept) => [draft, ...kept].slice(0, MOST_DRAFTS));
}

export function copyBefore(): void {
  change({ boxes: [...edited.value.boxes, ...before.value], selected: edited.value.boxes.length });
}

/** What was shown is right, or what was made of it is; nothing left is a picture without sights. */
export async function finish(): Promise<void> {
  if (edited.value.boxes.length === 0) return await decide("negative");
  await decide(isChanged.value ? "correct" : "accept");
}

export async function decide(verdict: Verdict): Promise<void> {
  const [current, slug] = [task.value, city.value];
  if (current === null || slug === null) return;
  const { boxes } = edited.value;
  if (verdict === "correct" && boxes.some(({ label }) => label.trim() === "")) {
    failure.value = "unnamed";
    return;
  }
  before.value = boxes;
  task.value = null;
  const { image, basis } = current;
  const review = { city: slug, image, reviewer: reviewer.value, verdict, basis };
  const written = await say(verdict === "correct" ? { ...review, boxes } : review);
  forget(image);
  if (written) said.value = [...said.value, written.id];
  await next();
  if (verdict === "correct") void list();
}

/** Takes the last review back; its picture comes again, and then the one that was shown. */
export async function takeBack(): Promise<void> {
  const last = said.value.at(-1);
  if (last === undefined) return;
  isTakingBack.value = true;
  try {
    await askAdmin(`/v1/label/reviews/${last}/undo`, post({ reviewer: reviewer.value }));
    said.value = said.value.filter((id) => id !== last);
    await next();
  } catch (error) {
    failure.value = told(error);
  } finally {
    isTakingBack.value = false;
  }
}
