/** Data sets of a city, out and in. */
import { useSignal } from "@preact/signals";
import { askAdmin, askAdminJson } from "../admin";
import { Unreachable } from "../api";
import { told } from "../told";
import { texts } from "../language";
import { bytes, number } from "../numbers";
import { save } from "../save";
import { reviewer } from "./session";

const FORMATS = ["yolo", "coco", "voc", "label-studio"] as const;
/** A data set takes long to pack. */
const PATIENCE_MS = 600_000;

/** What was taken of a data set. */
interface Report {
  images: number;
  labelled: number;
  all_problems: number;
}

/** What is under way. */
interface Work {
  text: string;
  /** Bytes; null while nobody knows how many they will be. */
  arrived: Arrived | null;
}

interface Arrived {
  done: number;
  total: number;
}

export function Exchange({ city }: { city: string }) {
  const { studio } = texts.value;
  const work = useSignal<Work | null>(null);
  const failure = useSignal<string | null>(null);
  const done = useSignal<string | null>(null);
  const attempt = async (text: string, failed: string, act: () => Promise<string>) => {
    [work.value, failure.value, done.value] = [{ text, arrived: null }, null, null];
    try {
      done.value = await act();
    } catch (error) {
      failure.value = `${failed}: ${told(error)}`;
    } finally {
      work.value = null;
    }
  };
  const exporting = (format: string) =>
    attempt(studio.exporting(format), studio.exportFailed, async () => {
      const text = studio.receiving(format);
      const file = await exported(city, format, (arrived) => (work.value = { text, arrived }));
      const name = `${city}-${format}.zip`;
      save(file, name);
      return studio.exported(name, bytes(file.size));
    });
  const importing = (file: File) =>
    attempt(studio.importing(file.name), studio.importFailed, async () => {
      const { images, labelled, all_problems } = await imported(city, file);
      return studio.imported(number(images), number(labelled), number(all_problems));
    });
  const isBusy = work.value !== null;
  return (
    <details>
      <summary>{studio.exchange}</summary>
      {failure.value !== null && <p role="alert" class="problem">{failure.value}</p>}
      <p role="status">{work.value?.text ?? done.value}</p>
      {work.value !== null && <Bar {...work.value} />}
      <div class="controls">
        {FORMATS.map((format) => (
          <button key={format} type="button" disabled={isBusy} onClick={() => void exporting(format)}>
            {studio.export(format)}
          </button>
        ))}
        <label class="file">
          {studio.import}
          <input
            type="file"
            accept=".zip,application/zip"
            disabled={isBusy}
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              event.currentTarget.value = "";
              if (file) void importing(file);
            }}
          />
        </label>
      </div>
    </details>
  );
}

/** How far it is; it moves without an end where that is not known. */
function Bar({ text, arrived }: Work) {
  if (arrived === null) return <progress aria-label={text} />;
  return (
    <label class="progress">
      {texts.value.device.progress(bytes(arrived.done), bytes(arrived.total))}
      <progress max={arrived.total} value={arrived.done} />
    </label>
  );
}

async function exported(city: string, format: string, tell: (arrived: Arrived) => void): Promise<Blob> {
  const path = `/v1/cities/${encodeURIComponent(city)}/dataset?format=${format}`;
  const response = await askAdmin(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
  try {
    return await received(response, tell);
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function received(response: Response, tell: (arrived: Arrived) => void): Promise<Blob> {
  const total = Number(response.headers.get("content-length"));
  const parts: BlobPart[] = [];
  let done = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(part.value);
    done += part.value.byteLength;
    if (total > 0) tell({ done, total });
  }
  return new Blob(parts, { type: "application/zip" });
}

async function imported(city: string, file: File): Promise<Report> {
  const path = `/v1/cities/${encodeURIComponent(city)}/dataset?by=${encodeURIComponent(reviewer.value)}`;
  return await askAdminJson<Report>(path, {
    method: "POST",
    headers: { "content-type": "application/zip" },
    body: file,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}
