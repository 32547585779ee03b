/** A small picture that only the administrator may see: fetched with the token. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { askAdmin } from "../admin";
import { texts } from "../language";

interface Props {
  image: string;
  alt: string;
  width: number;
  height: number;
}

export function Thumbnail({ image, alt, width, height }: Props) {
  const { pictures } = texts.value.control;
  const source = useSignal<string | null>(null);
  const isMissing = useSignal(false);
  useEffect(() => {
    const leaving = new AbortController();
    let address: string | null = null;
    fetched(image, leaving.signal).then(
      (found) => {
        if (leaving.signal.aborted) return;
        source.value = address = URL.createObjectURL(found);
      },
      () => (isMissing.value = !leaving.signal.aborted),
    );
    return () => {
      leaving.abort();
      if (address !== null) URL.revokeObjectURL(address);
      [source.value, isMissing.value] = [null, false];
    };
  }, [image]);
  if (isMissing.value) return <span class="quiet">{pictures.unseen}</span>;
  // An empty picture keeps the place.
  return <img src={source.value ?? EMPTY} alt={alt} width={width} height={height} />;
}

const LIMIT_MS = 30_000;
const EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

async function fetched(image: string, signal: AbortSignal): Promise<Blob> {
  const patient = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  const response = await askAdmin(`/v1/images/${encodeURIComponent(image)}/thumbnail`, { signal: patient });
  return await response.blob();
}
