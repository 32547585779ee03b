/** A table that scrolls where the screen is narrower. */
import type { ComponentChildren } from "preact";

interface Props {
  caption: string;
  /** Names of the columns. */
  head: readonly string[];
  /** The rows. */
  children: ComponentChildren;
}

export function Table({ caption, head, children }: Props) {
  return (
    <div class="wide" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{head.map((name) => <th key={name} scope="col">{name}</th>)}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
