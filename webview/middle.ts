/** Names up to this length are cut at their end only. */
const shortest = 8;
/** Longest end of a name without a number that stays when its middle is left out, and its share of a shorter name. */
const maxTail = 18;
const tailShare = 0.7;

/** A name in parts, in their order. */
export interface NameParts {
  /** Gives way first. */
  readonly head: string;
  /** The first number, mostly of the layer, which stays; '' where there is none. */
  readonly key: string;
  /** What follows, cut at its start. */
  readonly tail: string;
}

/**
 * Where to cut a name that does not fit. Names of a list differ in the number of the layer and in their end, so the middle begins before
 * that number, else at a dot or another separator.
 */
export function splitMiddle(name: string): NameParts {
  if (name.length <= shortest) return { head: name, key: '', tail: '' };
  const number = /(?<=\.)\d+\./.exec(name);
  if (number) {
    const [key] = number;
    return { head: name.slice(0, number.index), key, tail: name.slice(number.index + key.length) };
  }
  const at = separatorNear(name);
  return { head: name.slice(0, at), key: '', tail: name.slice(at) };
}

/** Letters of the first part that stay before an ellipsis. */
const leastHead = 2;

/**
 * A name on one line of a drawing: whole where it fits, else with one ellipsis, before its number or before its end, which is cut last.
 * @param fits whether a text has room.
 */
export function shortened(name: string, fits: (text: string) => boolean): string {
  if (fits(name)) return name;
  const { head, key, tail } = splitMiddle(name);
  const end = key + tail;
  for (let kept = head.length - 1; kept >= leastHead; kept--) {
    const text = `${head.slice(0, kept)}…${end}`;
    if (fits(text)) return text;
  }
  const letters = head.slice(0, leastHead);
  for (let from = 0; from < end.length - 1; from++) {
    const text = `${letters}…${end.slice(from)}`;
    if (fits(text)) return text;
  }
  return `…${name.slice(-1)}`;
}

function separatorNear(name: string): number {
  const start = name.length - Math.min(maxTail, Math.floor(tailShare * name.length));
  const end = name.slice(start);
  const dot = end.slice(0, -1).indexOf('.');
  const separator = dot >= 0 ? dot : end.slice(0, -1).search(/[_/\\-]/);
  return start + (separator >= 0 ? separator : Math.floor(end.length / 2));
}
