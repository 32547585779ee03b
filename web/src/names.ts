/** Names as people write them. */

/**
 * A class of the older systems as words: `BrandenburgerTor` is `Brandenburger Tor`, `VICTORY_COLUMN` is
 * `Victory Column`. What has spaces is as somebody wrote it; figures and abbreviations (`9/11`, `BBC`) stay together.
 */
export function spoken(label: string): string {
  if (/\s/.test(label)) return label;
  if (label.includes("_")) return label.split("_").filter(Boolean).map(asWord).join(" ");
  return label.replace(/(\p{Ll}|\p{Nd})(\p{Lu})/gu, "$1 $2").replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1 $2");
}

function asWord(word: string): string {
  const isShouted = word === word.toUpperCase() && word.length > 1;
  return isShouted ? word.charAt(0) + word.slice(1).toLowerCase() : word;
}
