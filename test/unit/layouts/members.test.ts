import { describe, expect, it } from 'vitest';
import type { RareMember, WrittenWeight } from '../../../src/layouts/layout';
import { openModel } from '../../../src/layouts/openModel';
import type { Grid } from '../../../src/protocol/grids';
import type { Recipe } from '../../../src/protocol/recipe';
import { decodeRows, roundToNearest } from '../../../src/quant/grids/roundToNearest';
import type { QuantizedRows } from '../../../src/quant/quantized';
import { presets } from '../../../src/recipes/presets';
import { writerNamed, writers } from '../../../src/recipes/writers';
import { checkpoint, written } from '../../support/layouts';
import { Random } from '../../support/random';

const [rows, columns] = [256, 256];
/** Readers round weights of less than ½ to the dtype that libraries compute in, BF16 at most. */
const tolerance = 2 ** -9;

/** Grids of presets, with and without each member that is rare. */
const rare: Readonly<Record<RareMember, (grid: Grid) => Grid | undefined>> = {
  bias: (grid) =>
    grid.levels.kind === 'float' ? { ...grid, levels: { ...grid.levels, bias: 5 } } : undefined,
  double: (grid) => ({ ...grid, double: { block: 256 } }),
  global: (grid) => ({ ...grid, global: 'divisor' }),
  outliers: (grid) => ({ ...grid, outliers: true }),
  perScale: (grid) => ({ ...grid, perScale: 127 }),
};

function gridsOf(layout: string): Grid[] {
  const grids = presets.flatMap((recipe) =>
    recipe.layout === layout
      ? recipe.rules.flatMap(({ grid }) => (grid === 'keep' || 'ggml' in grid ? [] : [grid]))
      : [],
  );
  return grids.flatMap((grid) => [grid, ...Object.values(rare).flatMap((change) => change(grid) ?? [])]);
}

const cases = writers.flatMap(({ id }) =>
  gridsOf(id).map((grid): [string, string, Grid] => [id, JSON.stringify(grid), grid]),
);

/** The weights that a file holds in which a matrix was stored. */
async function readBack(id: string, weight: WrittenWeight, slab: QuantizedRows): Promise<Float32Array> {
  const writer = writerNamed(id)!;
  async function* slabs(): AsyncGenerator<QuantizedRows> {
    yield await Promise.resolve(slab);
  }
  const parts = await written(writer, weight, slabs());
  const recipe = { rules: [] } as unknown as Recipe;
  const config = writer.config({ recipe, weights: [weight], kept: [], names: [weight.name] });
  const stored = new Map(parts.map((part) => [part.name.replace(/^layer\./, ''), part]));
  const model = await openModel(checkpoint(stored, { quantization_config: config }));
  const bytes = await model.read(model.tensor(weight.name), 0, 4 * rows * columns);
  await model.close();
  return new Float32Array(bytes.buffer);
}

describe('a grid with a member that is rare', () => {
  it.each(cases)('%s refuses it or stores the same weights: %s', async (id, _, grid) => {
    const weight = { name: 'layer.weight', shape: [rows, columns], grid, dtype: 'F32' };
    if (writerNamed(id)!.refuse(weight) !== undefined) return;
    const random = new Random(3);
    const values = Float32Array.from({ length: rows * columns }, () => random.next() - 0.5);
    const slab = await roundToNearest(grid, values, [rows, columns], { range: { min: -0.5, max: 0.5 } });
    const [found, expected] = [await readBack(id, weight, slab), await decodeRows(slab)];
    const isOther = (value: number, i: number): boolean => Math.abs(value - expected[i]!) > tolerance;
    expect(found.findIndex(isOther)).toBe(-1);
  });
});

it('is stored by the layouts that have a place for it', () => {
  const stored = cases.flatMap(([id, , grid]) => {
    const weight = { name: 'layer.weight', shape: [rows, columns], grid, dtype: 'F32' };
    if (writerNamed(id)!.refuse(weight) !== undefined) return [];
    return (['double', 'global', 'outliers', 'perScale'] as const).flatMap((member) =>
      grid[member] === undefined ? [] : [`${id}: ${member}`],
    );
  });
  expect([...new Set(stored)].sort()).toEqual([
    'bitsandbytes-4bit: double',
    'bitsandbytes-8bit: perScale',
    'compressed-tensors-nvfp4: global',
  ]);
});
