/**
 * Characters that control a terminal or change how others are shown: controls, line separators, directional marks,
 * halves of surrogate pairs.
 */
const unprintable =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/gu;

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A line safe to print and to show: text from a file or an error message cannot control the terminal or reorder what surrounds it. Escapes are those of JSON, so
 * that an escaped line of a JSON document is the same document.
 */
export function printable(line: string): string {
  return line.replace(
    unprintable,
    (character) => short[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
