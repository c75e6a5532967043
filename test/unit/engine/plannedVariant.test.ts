import { describe, expect, it } from 'vitest';
import type { ConvertedTensor } from '../../../src/architectures/convertedTensor';
import { checkpointRow } from '../../../src/architectures/rowOrder';
import { weightChange } from '../../../src/engine/evaluation/plannedVariant';
import type { CodeFinder, ExpertRows } from '../../../src/exporter/codes/codeFinder';

const [heads, columns] = [4, 32];
const tensor = {
  ...{ name: 'blk.0.attn_q.weight', shape: [8, columns], columns, pieces: [], category: 'weight' },
  unit: { rows: heads, order: 'interleave' },
} as unknown as ConvertedTensor;

/** Rows whose weights are all the number of the row. */
const numbered = (order: readonly number[]): Float32Array =>
  Float32Array.from({ length: order.length * columns }, (_, i) => order[Math.floor(i / columns)]!);

/** A finder that negates what it gets, and remembers it. */
function finderOf(seen: { at: ExpertRows; rows: number[] }[]): CodeFinder {
  const replace: CodeFinder['replace'] = (at, _format, values) => {
    seen.push({ at, rows: [...values.filter((_, i) => i % columns === 0)] });
    values.forEach((value, i) => (values[i] = -value));
    return Promise.resolve(true);
  };
  return { replace } as CodeFinder;
}

describe('optimised codes of a tensor whose heads have another order in the file', () => {
  const seen: { at: ExpertRows; rows: number[] }[] = [];
  const { replace } = weightChange(tensor, 'Q4_0', { finder: finderOf(seen) });

  it('are found in the order of the file, and given back in that of the checkpoint', async () => {
    const rows = numbered([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(await replace!(0, 0, rows)).toBe(true);
    const inFile = [0, 1, 2, 3, 4, 5, 6, 7].map((row) => checkpointRow(row, heads));
    expect(inFile).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
    expect(seen.map((call) => call.rows)).toEqual([inFile]);
    expect(rows).toEqual(numbered([-0, -1, -2, -3, -4, -5, -6, -7]));
  });

  it.each([
    [0, 6],
    [2, 4],
  ])('are rejected from row %d for %d rows, which are not whole heads', async (first, count) => {
    const rows = numbered(Array.from({ length: count }, (_, i) => first + i));
    await expect(replace!(0, first, rows)).rejects.toMatchObject({
      ...{ code: 'INTERNAL', place: { tensor: 'blk.0.attn_q.weight' } },
    });
    expect(rows).toEqual(numbered(Array.from({ length: count }, (_, i) => first + i)));
  });
});
