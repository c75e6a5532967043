import { describe, expect, it } from 'vitest';
import { encodedOnce } from '../../../src/engine/evaluation/encodedOnce';
import { KeptBlocks } from '../../../src/exporter/codes/keptBlocks';
import type { WeightChange } from '../../../src/graph/transformer/weights';
import { formatById } from '../../../src/quant/catalogue';
import { fakeQuantize } from '../../../src/quant/fakeQuantize';
import { Random } from '../../support/random';

const columns = 256;
const name = 'blk.0.ffn_up_exps.weight';
const random = new Random(3);
const rows = random.fill(4 * columns, () => random.normal());
const importance = random.fill(2 * columns, () => Math.abs(random.normal()));

/** What a format stores of the rows of an expert. */
async function stored(format: string, expert: number): Promise<Float32Array> {
  const own = importance.subarray(expert * columns, (expert + 1) * columns);
  const values = rows.slice();
  await fakeQuantize(formatById(format), values, columns, { min: -1, max: 1 }, { importance: own });
  return values;
}

describe('tensors that are encoded once', () => {
  const once = { kept: new KeptBlocks(), columns: () => columns };
  const replaced = async (
    change: WeightChange,
    expert: number,
    values = rows.slice(),
  ): Promise<Float32Array> => {
    const changed = encodedOnce(new Map([[name, change]]), once).get(name)!;
    expect(await changed.replace!(expert, 0, values)).toBe(true);
    return values;
  };

  it('are what their format stores, whatever set of weights asks for them, with the importance of each expert', async () => {
    for (const format of ['Q4_K', 'IQ2_XS', 'Q4_K']) {
      const change = { format: formatById(format), importance };
      for (const expert of [0, 1]) {
        const expected = await stored(format, expert);
        expect(await replaced(change, expert)).toEqual(expected);
        // Not encoded again: other weights do not count.
        expect(await replaced(change, expert, new Float32Array(rows.length))).toEqual(expected);
      }
    }
  });

  it('are not those of grids, and of codes that are found otherwise', () => {
    const own = { format: formatById('Q4_K'), replace: () => Promise.resolve(false) };
    const grid = { format: formatById('nf4') };
    const changes = encodedOnce(
      new Map<string, WeightChange>([
        ['own', own],
        ['grid', grid],
      ]),
      once,
    );
    expect([changes.get('own'), changes.get('grid')]).toEqual([own, grid]);
  });
});

it('blocks that are kept take no more than their room: what was used least recently goes', async () => {
  const kept = new KeptBlocks(30);
  const made: string[] = [];
  const ask = (key: string, size = 10): Promise<Uint8Array> =>
    kept.of(key, () => {
      made.push(key);
      return Promise.resolve(new Uint8Array(size));
    });
  for (const key of ['a', 'b', 'c', 'a', 'd', 'a', 'c', 'd', 'b']) await ask(key);
  expect(made.join('')).toBe('abcdb');
  await ask('too large', 31);
  await ask('too large', 31);
  expect(made.slice(5)).toEqual(['too large', 'too large']);
  const absent = await kept.of('absent', () => Promise.resolve(undefined));
  expect(absent).toBeUndefined();
});
