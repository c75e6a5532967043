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

function separatorNear(name: string): number {
  const start = name.length - Math.min(maxTail, Math.floor(tailShare * name.length));
  const end = name.slice(start);
  const dot = end.slice(0, -1).indexOf('.');
  const separator = dot >= 0 ? dot : end.slice(0, -1).search(/[_/\\-]/);
  return start + (separator >= 0 ? separator : Math.floor(end.length / 2));
}
