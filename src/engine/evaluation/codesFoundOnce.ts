import type { WeightChange, WeightChanges } from '../../graph/transformer/weights';

/**
 * The same changes, where codes are found once for as long as the tensors of one block are used, which is run again and again with one of them
 * changed: holds its weights, or the output matrix.
 */
export function codesFoundOnce(changes: WeightChanges): WeightChanges {
  let held = '';
  const found = new Map<string, Float32Array | undefined>();
  const remembering = (
    name: string,
    replace: NonNullable<WeightChange['replace']>,
  ): NonNullable<WeightChange['replace']> => {
    const part = /^blk\.\d+\./.exec(name)?.[0] ?? name;
    return async (expert, firstRow, rows) => {
      if (part !== held) found.clear();
      held = part;
      const key = [name, expert, firstRow, rows.length].join(' ');
      if (!found.has(key)) {
        const isReplaced = await replace(expert, firstRow, rows);
        found.set(key, isReplaced ? rows.slice() : undefined);
        return isReplaced;
      }
      const known = found.get(key);
      if (known) rows.set(known);
      return known !== undefined;
    };
  };
  return new Map(
    [...changes].map(([name, change]) => [
      name,
      change.replace ? { ...change, replace: remembering(name, change.replace) } : change,
    ]),
  );
}
