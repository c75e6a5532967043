import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { Grid } from '../../../../src/protocol/grids';
import { clipRows } from '../../../../src/quant/awq/clip';
import { searchScales } from '../../../../src/quant/awq/scaleSearch';
import { decodeRows, roundToNearest } from '../../../../src/quant/grids/roundToNearest';
import { awq } from '../../../../src/quant/methods/awq';
import type { MatrixTask } from '../../../../src/quant/methods/method';
import { inputNamed, optionsOf, readReference, vectorsOf } from '../../../support/reference';
import { Random } from '../../../support/random';

const gridOf = (group: number): Grid => ({
  levels: { kind: 'integer', bits: 4, signed: false },
  group,
  rule: { kind: 'range', widened: false },
  zero: 'integer',
  scale: 'F32',
  least: { range: 1e-5 },
});

const slabs = (values: Float32Array) => () =>
  (async function* () {
    await Promise.resolve();
    yield values.slice();
  })();

/** Σ over outputs and tokens of the squared change of the outputs / tokens. */
async function outputError(
  weights: Float32Array,
  others: Float32Array,
  inputs: Float32Array,
  columns: number,
) {
  const errors = await loadNative().outputErrors({ weights, others }, inputs, columns, columns);
  return errors.reduce((sum, error) => sum + error, 0) / (inputs.length / columns);
}

describe('AWQ on the weights and inputs of AutoAWQ’s vectors', () => {
  it.each(vectorsOf('autoawq', /^search-/))('%s', async (name) => {
    const described = optionsOf('autoawq', name);
    const { q_group_size: group, duo_scaling: duoScaling } = described['options'] as {
      q_group_size: number;
      duo_scaling: boolean;
    };
    const tensors = readReference('autoawq', 'vectors', `${name}.safetensors`);
    const { values, shape } = await inputNamed(String(described['input']));
    const columns = shape[1];
    const inputs = await readReference('calibration', 'layer-x-256x128.safetensors').get('X')!.floats();
    const grid = gridOf(group);
    const matrix = { grid, columns, weights: slabs(values), inputs };

    const found = await searchScales([matrix], { ratios: 20, duoScaling });
    expect(found.ratio).toBe(described['best_ratio']);
    const expected = await tensors.get('best_scales')!.floats();
    found.scales.forEach((scale, i) => expect(Math.abs(scale / expected[i]! - 1)).toBeLessThan(1e-5));
    // The library's loss is a mean over outputs, ours their sum. A scale that differs in its last bit may give single weights another code.
    const losses = new Float64Array(tensors.get('losses_of_the_20_ratios')!.bytes.buffer);
    found.losses.forEach((loss, i) => expect(Math.abs(loss / shape[0] / losses[i]! - 1)).toBeLessThan(0.01));

    const task: MatrixTask = {
      ...{ grid, shape, evidence: { inputs }, weights: slabs(values) },
      options: { duo_scaling: duoScaling },
    };
    const quantizer = await awq.open(task);
    const error = await outputError(
      values,
      await decodeRows(await quantizer.quantize(values.slice())),
      inputs,
      columns,
    );
    const without = await awq.open({ ...task, options: { ...task.options, clip: false } });
    const unclipped = await outputError(
      values,
      await decodeRows(await without.quantize(values.slice())),
      inputs,
      columns,
    );
    const figures = described as unknown as Record<
      'clip_output_error' | 'output_error' | 'rtn_output_error',
      number
    >;
    const unit = found.roundingLoss / figures.rtn_output_error;
    expect(error / unit).toBeLessThan(1.001 * figures.clip_output_error);
    expect(unclipped / unit).toBeLessThan(1.001 * figures.output_error);
  });
});

/** Limits by the definition: each group and each step on its own. */
function clippedPlainly(
  values: Float32Array,
  columns: number,
  group: number,
  inputs: Float32Array,
  bits: number,
): Float32Array {
  const top = 2 ** bits - 1;
  const rounded = (weights: number[]): number[] => {
    const [low, high] = [Math.min(...weights), Math.max(...weights)];
    const scale = Math.fround(Math.max(Math.fround(high - low), 1e-5) / top);
    const zero = Math.min(top, Math.max(0, -roundEven(Math.fround(low / scale))));
    return weights.map((w) =>
      Math.fround((Math.min(top, Math.max(0, roundEven(Math.fround(w / scale)) + zero)) - zero) * scale),
    );
  };
  const target = values.slice();
  for (let first = 0; first < values.length; first += group) {
    const weights = [...values.subarray(first, first + group)];
    const largest = Math.max(...weights.map(Math.abs));
    let least = Infinity;
    for (let step = 0; step < 10; step++) {
      const limit = Math.fround(largest * Math.fround(1 - step / 20));
      const limited = weights.map((w) => Math.max(-limit, Math.min(limit, w)));
      const differences = rounded(limited).map((w, i) => w - weights[i]!);
      let error = 0;
      for (let token = 0; token < inputs.length; token += columns) {
        const output = differences.reduce((sum, d, i) => sum + d * inputs[token + (first % columns) + i]!, 0);
        error += output * output;
      }
      if (error >= least) continue;
      least = error;
      target.set(limited, first);
    }
  }
  return target;
}

function roundEven(x: number): number {
  const rounded = Math.round(x);
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

const random = new Random(12);
const normal = (): number => random.next() + random.next() + random.next() + random.next() - 2;
const [rows, columns, tokens] = [24, 64, 40];
const weights = Float32Array.from({ length: rows * columns }, () => normal() ** 3);
const inputs = Float32Array.from(
  { length: tokens * columns },
  (_, i) => normal() * (i % columns === 5 ? 40 : 1),
);

describe('AWQ', () => {
  it('limits groups as a plain search does', async () => {
    for (const group of [16, 32, 64]) {
      const found = await clipRows(gridOf(group), weights, columns, inputs, { steps: 20, shrink: 0.5 });
      expect(found).toEqual(clippedPlainly(weights, columns, group, inputs, 4));
    }
  });

  it('finds one set of factors for matrices with the same input, whatever slabs they come in', async () => {
    const [upper, lower] = [weights.subarray(0, 8 * columns), weights.subarray(8 * columns)];
    const parts = [upper, lower].map((part) => ({ grid: gridOf(16), columns, weights: slabs(part), inputs }));
    const whole = { grid: gridOf(16), columns, weights: slabs(weights), inputs };
    const [ofParts, ofWhole] = await Promise.all(
      [parts, [whole]].map((some) => searchScales(some, { ratios: 20, duoScaling: true })),
    );
    expect(ofParts!.scales).toEqual(ofWhole!.scales);
    ofParts!.losses.forEach((loss, i) =>
      expect(Math.abs(loss / ofWhole!.losses[i]! - 1)).toBeLessThan(1e-12),
    );
  });

  it('is never worse than rounding on the inputs that it saw, in any grid', async () => {
    const grids: Grid[] = [
      gridOf(32),
      {
        levels: { kind: 'table', table: 'nf4' },
        group: 32,
        rule: { kind: 'absmax', divisor: 1 },
        scale: 'F32',
      },
      {
        levels: { kind: 'integer', bits: 3, signed: true },
        group: 'row',
        rule: { kind: 'absmax', divisor: 3.5 },
        scale: 'F16',
      },
    ];
    for (const grid of grids) {
      const task: MatrixTask = {
        grid,
        shape: [rows, columns],
        evidence: { inputs },
        options: {},
        weights: slabs(weights),
      };
      const quantized = await (await awq.open(task)).quantize(weights.slice());
      const rounded = await decodeRows(await roundToNearest(grid, weights, [rows, columns]));
      const [error, rounding] = [
        await outputError(weights, await decodeRows(quantized), inputs, columns),
        await outputError(weights, rounded, inputs, columns),
      ];
      expect(error).toBeLessThan(rounding);
    }
  });

  it('has no factors of its own where they were folded into other weights', async () => {
    const task: MatrixTask = {
      grid: gridOf(16),
      shape: [rows, columns],
      evidence: { inputs },
      options: {},
      scalesFolded: true,
    };
    const quantized = await (await awq.open(task)).quantize(weights.slice());
    expect(quantized.columnScales).toBeUndefined();
  });

  it('is refused without inputs, and for grids with one scale for the tensor', async () => {
    const task = {
      name: 'q_proj',
      grid: gridOf(16),
      shape: [rows, columns],
      evidence: {},
      options: {},
    } as const;
    await expect(awq.open(task)).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining('q_proj') as string,
    });
    expect(awq.refuse({ ...task, grid: { ...task.grid, group: 'tensor' } })).toContain('one scale');
    expect(awq.refuse(task)).toBeUndefined();
  });
});
