import { describe, expect, it } from 'vitest';
import type { Grid } from '../../../../src/protocol/grids';
import type { MethodOptions } from '../../../../src/protocol/recipe';
import { decodeRows, roundToNearest } from '../../../../src/quant/grids/roundToNearest';
import { gptq } from '../../../../src/quant/methods/gptq';
import type { Method } from '../../../../src/quant/methods/method';
import { obq } from '../../../../src/quant/methods/obq';
import { correlatedHessian } from '../../../support/hessian';
import { outputError } from '../../../support/outputError';
import { Random } from '../../../support/random';
import { inputNamed, readReference } from '../../../support/reference';
import { hasSharedData } from '../../../support/files';

const int = (bits: number, group: Grid['group']): Grid => ({
  levels: { kind: 'integer', bits, signed: false },
  ...{ group, scale: 'F32', zero: 'integer', rule: { kind: 'range', widened: true } },
});
const nf4: Grid = {
  levels: { kind: 'table', table: 'nf4' },
  ...{ group: { flat: 64 }, scale: 'F32', rule: { kind: 'absmax', divisor: 1 } },
};

interface Layer {
  readonly weights: Float32Array;
  readonly shape: readonly [number, number];
  readonly hessian: Float64Array;
}

async function errorWith(
  method: Method,
  grid: Grid,
  layer: Layer,
  options: MethodOptions = {},
): Promise<number> {
  const { weights, shape, hessian } = layer;
  const quantizer = await method.open({ grid, shape, evidence: { hessian }, options });
  return outputError(hessian, weights, await decodeRows(await quantizer.quantize(weights.slice())));
}

async function layerOf(name: string): Promise<Layer> {
  const { values, shape } = await inputNamed(name);
  const [h] = [...readReference('calibration', 'layer-h-128.safetensors').values()];
  return { weights: values, shape, hessian: Float64Array.from(await h!.floats()) };
}

/** GPTQ in the order of importance on the scales of rounding, as OBQ has them. */
const sameScales = { static_groups: true };

const cases: readonly [string, string, Grid][] = [
  ['w64x128.normal', 'int4 in groups of 32', int(4, 32)],
  ['w64x128.heavy', 'int3 by row', int(3, 'row')],
  ['w64x128.heavy', 'int2 in groups of 32', int(2, 32)],
  ['w64x128.normal', 'NF4', nf4],
];

describe.runIf(hasSharedData)('output error beside that of GPTQ', () => {
  // In the same order and with the same scales both solve the same problem, one with the inverse in float64.
  it.each(cases)('is the same in the order of importance: %s, %s', async (name, _, grid) => {
    const layer = await layerOf(name);
    const ours = await errorWith(obq, grid, layer, { order: 'importance' });
    expect(ours / (await errorWith(gptq, grid, layer, sameScales))).toBeCloseTo(1, 3);
  });

  it.each(cases)('is within two percent, and not larger: %s, %s', async (name, _, grid) => {
    const layer = await layerOf(name);
    const ratio = (await errorWith(obq, grid, layer)) / (await errorWith(gptq, grid, layer, sameScales));
    expect(ratio).toBeLessThan(1.0001);
    expect(ratio).toBeGreaterThan(0.98);
  });

  // The cheapest weights are those of inputs that are small: the important ones come last, when nothing is left that could make up for them.
  it.each(cases)(
    'is between those of GPTQ and of rounding in the order of cost: %s, %s',
    async (name, _, grid) => {
      const layer = await layerOf(name);
      const { weights, shape, hessian } = layer;
      const rounded = await decodeRows(await roundToNearest(grid, weights, shape));
      const ours = await errorWith(obq, grid, layer, { order: 'cost' });
      expect(ours).toBeGreaterThan(await errorWith(gptq, grid, layer, sameScales));
      expect(ours).toBeLessThan(outputError(hessian, weights, rounded));
    },
  );
});

/** (A)⁻¹ b for a positive definite A, by elimination. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  rows.forEach((own, k) => {
    for (let i = k + 1; i < rows.length; i++) {
      const factor = rows[i]![k]! / own[k]!;
      rows[i] = rows[i]!.map((value, j) => value - factor * own[j]!);
    }
  });
  const x = right.map(() => 0);
  for (let k = rows.length - 1; k >= 0; k--) {
    const known = x.reduce((sum, value, j) => (j > k ? sum + rows[k]![j]! * value : sum), 0);
    x[k] = (rows[k]![rows.length]! - known) / rows[k]![k]!;
  }
  return x;
}

/**
 * The definition: after each weight, the remaining ones are those of the smallest output error given all that are quantized, and the next is the
 * one that raises it least; nothing is updated, everything solved again.
 */
function byDefinition(
  weights: readonly number[],
  hessian: Float64Array,
  points: readonly number[],
): number[] {
  const n = weights.length;
  const h = (i: number, j: number): number => hessian[i * n + j]!;
  const found = new Map<number, number>();
  const nearest = (value: number): number =>
    points.reduce((best, point) => (Math.abs(point - value) < Math.abs(best - value) ? point : best));
  while (found.size < n) {
    const left = weights.map((_, i) => i).filter((i) => !found.has(i));
    const block = left.map((i) => left.map((j) => h(i, j)));
    const pull = left.map(
      (i) => -[...found].reduce((sum, [j, value]) => sum + h(i, j) * (value - weights[j]!), 0),
    );
    const corrected = solve(block, pull).map((change, k) => weights[left[k]!]! + change);
    const costs = left.map((_, k) => {
      const inverse = solve(
        block,
        left.map((_, j) => (j === k ? 1 : 0)),
      )[k]!;
      return (nearest(corrected[k]!) - corrected[k]!) ** 2 / inverse;
    });
    const k = costs.indexOf(Math.min(...costs));
    found.set(left[k]!, nearest(corrected[k]!));
  }
  return weights.map((_, i) => found.get(i)!);
}

it('gives the codes of the definition, in the order of cost', async () => {
  const columns = 12;
  const hessian = correlatedHessian(columns, 100);
  // The ends are far away, so that there are no outliers.
  const grid: Grid = {
    levels: { kind: 'integer', bits: 4, signed: true },
    ...{ group: 'row', scale: 'F32', rule: { kind: 'absmax', divisor: 2 } },
  };
  const weights = new Random(2).fill(20 * columns, (random) => random.normal());
  const task = {
    grid,
    shape: [20, columns] as const,
    evidence: { hessian },
    options: { order: 'cost', damping: 0 },
  };
  const found = await (await obq.open(task)).quantize(weights.slice());
  const decoded = await decodeRows(found);
  let corrected = 0;
  for (let row = 0; row < 20; row++) {
    const part = (values: Float32Array): number[] => [...values.subarray(row * columns, (row + 1) * columns)];
    const points = Array.from({ length: 16 }, (_, code) => Math.fround((code - 8) * found.scales[row]!));
    const expected = byDefinition(part(weights), hessian, points);
    const rounded = part(await decodeRows(await roundToNearest(grid, weights, [20, columns])));
    // Rows for which rounding is better are rounded.
    if (part(decoded).every((value, i) => value === rounded[i])) continue;
    corrected++;
    expect(part(decoded)).toEqual(expected);
  }
  expect(corrected).toBeGreaterThan(10);
});

it('refuses layers that would take too long, and says how many rows it takes', () => {
  const grid = int(4, 32);
  expect(obq.refuse({ grid, shape: [512, 256], options: {} })).toBeUndefined();
  expect(obq.refuse({ grid, shape: [4096, 4096], options: {} })).toBe(
    'OBQ is for small layers: of 4096 columns it takes at most 0 rows, not 4096. GPTQ gives nearly the same.',
  );
});

it('rounds where scales leave the range of their dtype, as other methods do', async () => {
  const grid: Grid = { ...int(4, 32), scale: 'F16' };
  const weights = new Random(1).fill(8 * 32, (random) => 1e30 * random.normal());
  const evidence = { hessian: correlatedHessian(32, 50) };
  const found = await (await obq.open({ grid, shape: [8, 32], evidence, options: {} })).quantize(weights);
  expect(found).toEqual(await roundToNearest(grid, weights, [8, 32]));
});

it('stops between rows when it is cancelled', async () => {
  const hessian = correlatedHessian(32, 50);
  const quantizer = await obq.open({ grid: int(4, 32), shape: [8, 32], evidence: { hessian }, options: {} });
  const controller = new AbortController();
  const running = quantizer.quantize(
    new Random(1).fill(8 * 32, (random) => random.normal()),
    controller.signal,
  );
  controller.abort();
  await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
});
