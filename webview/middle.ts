/** Names up to this length are cut at their end only. */
const shortest = 8;
/** Longest end of a name that stays when its middle is left out, and its share of a shorter name. */
const maxTail = 18;
const tailShare = 0.7;

/**
 * A name in two parts, of which the first may be cut at its end: what tells names apart is usually at both ends. The second part
 * begins at a dot or another separator where one is near.
 */
export function splitMiddle(name: string): readonly [string, string] {
  if (name.length <= shortest) return [name, ''];
  const end = name.slice(-Math.min(maxTail, Math.floor(tailShare * name.length)));
  const dot = end.slice(0, -1).indexOf('.');
  const separator = dot >= 0 ? dot : end.slice(0, -1).search(/[_/\\-]/);
  const tail = end.slice(separator >= 0 ? separator : Math.floor(end.length / 2));
  return [name.slice(0, name.length - tail.length), tail];
}
