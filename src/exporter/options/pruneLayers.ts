import { QuantscopeError } from '../../model/errors';
import { blockOf } from '../plan/order';
import { said } from '../../protocol/said';

/**
 * Names of tensors after some blocks are left out: later blocks move up. `undefined` for a tensor that is left out.
 * @param pruned numbers of blocks.
 * @throws QuantscopeError REQUEST for a block that the model does not have, or when none would be left.
 */
export function prunedNames(
  names: readonly string[],
  pruned: readonly number[],
): ReadonlyMap<string, string | undefined> {
  const blocks = [...new Set(names.map(blockOf).filter((block) => block >= 0))].sort((a, b) => a - b);
  const strange = pruned.find((block) => !blocks.includes(block));
  if (strange !== undefined) {
    const there =
      blocks.length === 0 ? said`the model has no blocks` : said`the blocks are ${rangesOf(blocks)}`;
    throw new QuantscopeError('REQUEST', said`There is no block ${strange} to leave out; ${there}.`);
  }
  const left = blocks.filter((block) => !pruned.includes(block));
  if (left.length === 0) throw new QuantscopeError('REQUEST', said`All blocks would be left out.`);
  return new Map(
    names.map((name) => {
      const block = blockOf(name);
      if (block < 0) return [name, name];
      const at = left.indexOf(block);
      return [name, at < 0 ? undefined : name.replace(/^blk\.\d+\./, `blk.${at}.`)];
    }),
  );
}

/** "0 to 3, 5, 7 to 9". @param numbers in ascending order. */
function rangesOf(numbers: readonly number[]): string {
  const starts = numbers.filter((number, i) => number - 1 !== numbers[i - 1]);
  const ends = numbers.filter((number, i) => number + 1 !== numbers[i + 1]);
  return starts.map((start, i) => (start === ends[i] ? `${start}` : `${start} to ${ends[i]}`)).join(', ');
}
