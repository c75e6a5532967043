/** Names up to this length are cut at their end only. */
const shortest = 8;
/** Longest end of a name that stays when its middle is left out, and its share of a name without a number. */
const maxTail = 20;
const tailShare = 0.7;

/**
 * A name in two parts, of which the first gives way: names of a list differ in the number of the layer and what follows it. The second
 * part begins at the first number that leaves it short enough, else at a dot or another separator where one is near.
 */
export function splitMiddle(name: string): readonly [string, string] {
  if (name.length <= shortest) return [name, ''];
  const at = numberNear(name) ?? separatorNear(name);
  return [name.slice(0, at), name.slice(at)];
}

/** Where the first number between dots begins that is near enough to the end. */
function numberNear(name: string): number | undefined {
  for (const { index } of name.matchAll(/(?<=\.)\d+(?=\.)/g))
    if (name.length - index <= maxTail) return index;
  return undefined;
}

function separatorNear(name: string): number {
  const start = name.length - Math.min(maxTail, Math.floor(tailShare * name.length));
  const end = name.slice(start);
  const dot = end.slice(0, -1).indexOf('.');
  const separator = dot >= 0 ? dot : end.slice(0, -1).search(/[_/\\-]/);
  return start + (separator >= 0 ? separator : Math.floor(end.length / 2));
}
