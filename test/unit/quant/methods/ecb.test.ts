import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import { openModel } from '../../../../src/layouts/openModel';
import type { Grid } from '../../../../src/protocol/grids';
import { gridNamed } from '../../../../src/quant/grids/gridName';
import * as libraries from '../../../../src/quant/grids/libraries';
import { decodeRows } from '../../../../src/quant/grids/roundToNearest';
import { ecb } from '../../../../src/quant/methods/ecb';
import type { Evidence } from '../../../../src/quant/methods/method';
import { rtn } from '../../../../src/quant/methods/rtn';
import type { QuantizedRows } from '../../../../src/quant/quantized';
import { sampleFolder } from '../../../support/files';
import { Random } from '../../../support/random';
import { hqq, quantoGroups, torchaoMx } from '../../../support/readLibraries';

const native = loadNative();
const fastest = native.simd;
afterEach(() => native.setSimd(fastest));

const [rows, columns] = [12, 128] as const;
const shape = [rows, columns] as const;
const heavy = (): Float32Array => new Random(7).fill(rows * columns, (random) => 0.02 * random.studentT3());
const importance = new Random(8).fill(columns, (random) => random.normal() ** 2 + 0.01);
const mean = new Random(9).fill(columns, (random) => random.normal());

const grids: readonly (readonly [string, Grid])[] = [
  ['int4 per group of 32', { ...libraries.gptq(4, 32, true), scale: 'F32' }],
  ['uint3 with zero points', libraries.gptq(3, 64, false)],
  ['int4 of bfloat16 by row', libraries.compressedIntegers(4, 'row')],
  ['NF4', libraries.bitsandbytes4bit('nf4', 64)],
  ['NF4 with quantized scales', libraries.bitsandbytes4bit('nf4', 64, { nested: true })],
  ['FP8 blocks', libraries.float8Blocks({ rows: 5, columns: 48 })],
  ['NVFP4', libraries.compressedNvfp4()],
  ['MXFP4', torchaoMx('fp4', 'floor')],
  ['quanto int2 with minima', quantoGroups(2, 32)],
  ['HQQ 2 bits', hqq(2, 64)],
  ['ONNX Runtime', libraries.onnxBlocks(4, 32, true)],
  ['blocks across rows', { ...libraries.bitsandbytes4bit('fp4', 48) }],
];

const task = (grid: Grid, evidence: Evidence, options = {}) => {
  const range = heavy().reduce(
    ({ min, max }, value) => ({ min: Math.min(min, value), max: Math.max(max, value) }),
    { min: Infinity, max: -Infinity },
  );
  return { grid, shape, evidence, options, range };
};

async function quantize(method: typeof ecb, grid: Grid, evidence: Evidence): Promise<QuantizedRows> {
  return (await method.open(task(grid, evidence))).quantize(heavy());
}

/** Σ h (ŵ − w)² of each group of the rows, in float64. */
async function errors(quantized: QuantizedRows, weights: Float32Array | undefined): Promise<number> {
  const decoded = await decodeRows(quantized);
  return heavy().reduce((sum, value, i) => {
    return sum + (weights?.[i % columns] ?? 1) * (decoded[i]! - value) ** 2;
  }, 0);
}

describe('clipping', () => {
  it.each(grids)('%s: the error is never above that of rounding', async (_, grid) => {
    for (const evidence of [{}, { importance }]) {
      const plain = await errors(await quantize(rtn, grid, {}), evidence.importance);
      const clipped = await errors(await quantize(ecb, grid, evidence), evidence.importance);
      // Quantized scales lie beside those that were found, for both.
      expect(clipped).toBeLessThanOrEqual(plain * (grid.double ? 1.001 : 1));
    }
  });

  it.each(grids)('%s: every instruction set gives the same bytes', async (_, grid) => {
    const results = [];
    for (const simd of native.simdPaths) {
      native.setSimd(simd);
      results.push(await quantize(ecb, grid, { importance }));
    }
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
  });

  it('gains where tails are heavy, and more in what is important', async () => {
    const [, grid] = grids[0]!;
    const plain = await errors(await quantize(rtn, grid, {}), importance);
    const unweighted = await errors(await quantize(ecb, grid, {}), importance);
    const weighted = await errors(await quantize(ecb, grid, { importance }), importance);
    expect(unweighted).toBeLessThan(0.95 * plain);
    expect(weighted).toBeLessThan(0.98 * unweighted);
  });

  it.each(['int3-g32', 'nf4', 'nvfp4'])(
    'is never worse than rounding on a matrix of the sample: %s',
    async (name) => {
      const grid = gridNamed(name);
      const model = await openModel(sampleFolder);
      const matrices = model.description.tensors.filter((tensor) => tensor.name.endsWith('_proj.weight'));
      expect(matrices.length).toBe(42);
      for (const tensor of matrices) {
        const size = tensor.shape;
        const stored = new Uint8Array(tensor.byteLength);
        await model.readInto(tensor, 0, stored);
        const values = new Float32Array(tensor.elements);
        await native.decode(tensor.dtype, stored, values);
        const range = await native.measureRange(tensor.dtype, stored);
        const own = { grid, shape: [size[0]!, size[1]!] as const, evidence: {}, options: {}, range };
        const errorOf = async (method: typeof ecb): Promise<number> => {
          const quantized = await (await method.open(own)).quantize(values.slice());
          return (await native.errorSums(values, await decodeRows(quantized))).error;
        };
        expect(await errorOf(ecb)).toBeLessThan(await errorOf(rtn));
      }
    },
  );

  it('the diagonal of a Hessian serves as importance', async () => {
    const hessian = new Float64Array(columns * columns);
    importance.forEach((value, i) => (hessian[i * columns + i] = value));
    const [, grid] = grids[1]!;
    expect(await quantize(ecb, grid, { hessian })).toEqual(await quantize(ecb, grid, { importance }));
  });

  it('refuses one scale for the tensor, whose groups do not lie in a slab', () => {
    expect(ecb.refuse(task({ ...libraries.eetq, group: 'tensor' }, {}))).toContain('One scale');
    expect(ecb.refuse(task(libraries.eetq, {}))).toBeUndefined();
  });

  it('names the first weight that is not finite', async () => {
    const values = heavy();
    values[200] = -Infinity;
    const quantizer = await ecb.open(task(grids[0]![1], {}));
    await expect(quantizer.quantize(values)).rejects.toThrow('weight 200 is infinite');
  });
});

const f = Math.fround;

/** The search in its plainest form: symmetric integers in groups of 32, sums in float32, in order. */
function reference(values: Float32Array, weights: Float32Array, steps: number, smallest: number): number[] {
  const scales: number[] = [];
  for (let start = 0; start < values.length; start += 32) {
    const group = values.subarray(start, start + 32);
    const absmax = group.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    let [best, least] = [0, Infinity];
    for (let step = 0; step <= steps; step++) {
      const factor = step === 0 ? 1 : f(1 - (step / steps) * (1 - smallest));
      const scale = f(f(factor * absmax) / 7.5);
      let sum = 0;
      group.forEach((value, i) => {
        const quotient = f(value / scale);
        const floor = Math.floor(quotient);
        const isTie = quotient - floor === 0.5;
        const code = isTie ? floor + (floor & 1) : Math.round(quotient);
        const difference = f(f(Math.max(-8, Math.min(7, code)) * scale) - value);
        sum = f(sum + f(f(difference * difference) * weights[(start + i) % columns]!));
      });
      if (sum < least) [best, least] = [scale, sum];
    }
    scales.push(best);
  }
  return scales;
}

it('finds the scales that a plain loop finds', async () => {
  const [, grid] = grids[0]!;
  const found = await quantize(ecb, grid, { importance });
  expect([...found.scales]).toEqual(reference(heavy(), importance, 64, 0.3));
});

describe('bias correction', () => {
  it('gives back what the mean of the inputs loses in each row', async () => {
    const quantized = await quantize(ecb, grids[0]![1], { mean });
    const decoded = await decodeRows(quantized);
    const weights = heavy();
    for (let row = 0; row < rows; row++) {
      let lost = 0;
      for (let i = 0; i < columns; i++)
        lost += (weights[row * columns + i]! - decoded[row * columns + i]!) * mean[i]!;
      expect(quantized.biasCorrection![row]).toBeCloseTo(lost, 6);
    }
  });

  it('is not there where the mean is not known, or when it is switched off', async () => {
    expect((await quantize(ecb, grids[0]![1], {})).biasCorrection).toBeUndefined();
    const off = await ecb.open(task(grids[0]![1], { mean }, { correct_bias: false }));
    expect((await off.quantize(heavy())).biasCorrection).toBeUndefined();
  });

  it('zero points that are not integers leave no mean error in a group', async () => {
    const quantized = await quantize(ecb, quantoGroups(2, 32), {});
    const plain = await quantize(rtn, quantoGroups(2, 32), {});
    const largestMean = async (result: QuantizedRows): Promise<number> => {
      const decoded = await decodeRows(result);
      const weights = heavy();
      return result.scales.reduce((most, _, group) => {
        let sum = 0;
        for (let i = 32 * group; i < 32 * (group + 1); i++) sum += decoded[i]! - weights[i]!;
        return Math.max(most, Math.abs(sum / 32));
      }, 0);
    };
    expect(await largestMean(quantized)).toBeLessThan(0.5 * (await largestMean(plain)));
  });
});
