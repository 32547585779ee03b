/** Pictures that are pasted or dropped, wherever that is on the page: a browser would leave it for what is dropped beside the stage. */
import { signal } from "@preact/signals";

/** Something is held over the page. */
export const isOver = signal(false);

/** Listens until what it gives back is called. */
export function receive(take: (files: Iterable<File>) => void): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  document.addEventListener("paste", ({ clipboardData }) => take(clipboardData?.files ?? []), { signal });
  document.addEventListener("dragover", (event) => (isOver.value = isTaken(event)), { signal });
  document.addEventListener("dragleave", () => (isOver.value = false), { signal });
  document.addEventListener("drop", (event) => {
    isOver.value = false;
    if (isTaken(event)) take(dropped(event));
  }, { signal });
  return () => ended.abort();
}

/** Takes what is held or dropped from the browser, but for text that belongs into a field. */
function isTaken(event: DragEvent): boolean {
  const isFile = event.dataTransfer?.types.includes("Files") === true;
  if (!isFile && event.target instanceof HTMLInputElement) return false;
  event.preventDefault();
  return true;
}

/** Text that is dropped is no file: one without a name says so. */
function dropped({ dataTransfer }: DragEvent): File[] {
  const files = [...(dataTransfer?.files ?? [])];
  return files.length > 0 ? files : [new File([], "")];
}
