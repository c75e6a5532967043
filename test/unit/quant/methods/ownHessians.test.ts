import { afterEach, describe, expect, it } from 'vitest';
import { OwnInputSamples } from '../../../../src/evaluation/ownInputs';
import { loadNative } from '../../../../src/native';
import { ggmlTypes, type GgmlQuantType } from '../../../../src/protocol/ggmlTypes';
import { columnGridOf } from '../../../../src/quant/columns/blocks';
import { tilesOf } from '../../../../src/quant/columns/descent';
import { gptqDescent } from '../../../../src/quant/methods/gptqDescent';
import { correlatedHessian } from '../../../support/hessian';
import { outputError } from '../../../support/outputError';
import { Random } from '../../../support/random';

const native = loadNative();
const widest = native.simd;
const [rows, columns, perRow] = [9, 512, 40];
const random = new Random(11);
const weights = random.fill(rows * columns, () => random.studentT3() * 0.05);
const hessian = correlatedHessian(columns, 600);
const starts = Int32Array.from({ length: rows + 1 }, (_, row) => perRow * Math.max(0, row - 1)); // none for the first row
const inputs = random.fill(perRow * (rows - 1) * columns, () => random.normal());

afterEach(() => {
  native.setSimd(widest);
  native.setThreads(2);
});

const evidence = { hessian };
async function oneSided(type: GgmlQuantType): Promise<Uint8Array> {
  const task = { type, shape: [rows, columns], evidence, options: {} } as const;
  return (await gptqDescent.blocks!.open(task)).quantize(weights.slice());
}

const descent = (type: GgmlQuantType, blocks: Uint8Array, share: number) => ({
  ...{ type, grid: columnGridOf(type), weights, blocks, rounds: 3, share, inputs, starts },
  hessian: { values: hessian, damping: 0 },
});

const traceOf = (values: Float64Array): number =>
  values.reduce((sum, value, i) => sum + (i % (columns + 1) === 0 ? value : 0), 0);

/** 0.3 · H + 0.7 · YᵀY, both of the same trace, for the inputs of a row. */
function ownHessian(row: number): Float64Array {
  const own = inputs.subarray(starts[row]! * columns, starts[row + 1]! * columns);
  const sums = new Float64Array(columns * columns);
  for (let at = 0; at < own.length; at += columns)
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++) sums[i * columns + j]! += own[at + i]! * own[at + j]!;
  const factor = (0.7 * traceOf(hessian)) / traceOf(sums);
  return sums.map((value, i) => 0.3 * hessian[i]! + factor * value);
}

async function rowsOf(type: GgmlQuantType, blocks: Uint8Array): Promise<(row: number) => Float32Array> {
  const { block, bytes } = ggmlTypes.find(({ name }) => name === type)!;
  const values = new Float32Array((blocks.length / bytes) * block);
  await native.decode(type, blocks, values);
  return (row) => values.subarray(row * columns, (row + 1) * columns);
}

describe.each(['Q4_0', 'Q4_K', 'Q2_K', 'Q6_K', 'IQ4_XS'] as const)('%s', (type) => {
  it('has in each row a smaller error by its own inputs, on every instruction set the same', async () => {
    const start = await oneSided(type);
    const found = start.slice();
    await native.descendOwnHessians(descent(type, found, 0.7));
    const [before, after] = [await rowsOf(type, start), await rowsOf(type, found)];
    expect(after(0)).toEqual(before(0));
    for (const row of [1, 4, rows - 1]) {
      const own = ownHessian(row);
      const exact = weights.subarray(row * columns, (row + 1) * columns);
      const ratio = outputError(own, exact, after(row)) / outputError(own, exact, before(row));
      expect(ratio, `row ${row}`).toBeLessThan(0.8);
    }
    for (const simd of native.simdPaths) {
      native.setSimd(simd);
      native.setThreads(simd === widest ? 1 : 3);
      const again = start.slice();
      await native.descendOwnHessians(descent(type, again, 0.7));
      expect(again, simd).toEqual(found);
    }
  });
});

it('without a share of its own inputs, a row is improved as if it were alone', async () => {
  const blocks = await oneSided('Q4_K');
  const [found, expected] = [blocks.slice(), blocks.slice()];
  const all = Int32Array.from({ length: rows + 1 }, (_, row) => row);
  const few = inputs.subarray(0, rows * columns);
  await native.descendOwnHessians({ ...descent('Q4_K', found, 0), rounds: 1, starts: all, inputs: few });
  const identity = Float64Array.from({ length: rows * rows }, (_, i) => (i % (rows + 1) === 0 ? 1 : 0));
  await native.descendBothSides({
    ...{ ...descent('Q4_K', expected, 0), rounds: 1 },
    hessian: await tilesOf(hessian, 0, 'Q4_K'),
    covariance: { values: identity, damping: 0 },
  });
  expect(found).toEqual(expected);
});

it('rejects inputs that are not those of the rows', async () => {
  const blocks = await oneSided('Q4_0');
  for (const [wrong, message] of [
    [starts.slice(1), 'starts has 9 elements where 10 are needed'],
    [starts.slice().reverse(), 'starts are not in order'],
    [starts.map((start) => start / 2), 'inputs has'],
  ] as const)
    await expect(
      native.descendOwnHessians({ ...descent('Q4_0', blocks, 0.7), starts: wrong }),
    ).rejects.toThrow(message);
});

it('the output matrix is improved by the inputs that count for its rows', async () => {
  const own = {
    inputs,
    starts,
    tokens: Int32Array.from({ length: starts.at(-1)! }, (_, i) => i),
    weights: new Float32Array(starts.at(-1)!).fill(1),
  };
  const gradients = { diagonal: new Float64Array(rows).fill(1), own };
  const task = { type: 'Q4_K', shape: [rows, columns], evidence: { hessian, gradients } } as const;
  const options = { objective: 'two-sided' };
  const whole = await (await gptqDescent.blocks!.open({ ...task, options })).quantize(weights.slice());
  const first = await rowsOf('Q4_K', await oneSided('Q4_K'));
  const found = await rowsOf('Q4_K', whole);
  expect(found(0)).toEqual(first(0));
  const exact = weights.subarray(4 * columns, 5 * columns);
  expect(
    outputError(ownHessian(4), exact, found(4)) / outputError(ownHessian(4), exact, first(4)),
  ).toBeLessThan(0.8);
  // Rows do not depend on each other: given in two parts they get the same blocks.
  const quantizer = await gptqDescent.blocks!.open({ ...task, options });
  const parts = [
    await quantizer.quantize(weights.slice(0, 3 * columns), 0),
    await quantizer.quantize(weights.slice(3 * columns), 3),
  ];
  expect(Buffer.concat(parts).equals(whole)).toBe(true);
  // Lattices have no codes of single weights: what is known of rows is not used, and the quantizer says so.
  const onLattice = { ...task, type: 'IQ2_S' } as const;
  const oneSidedBlocks = await (
    await gptqDescent.blocks!.open({ ...onLattice, options: {} })
  ).quantize(weights.slice());
  const lattice = await gptqDescent.blocks!.open({ ...onLattice, options });
  expect([quantizer.evidence, lattice.evidence]).toEqual([undefined, 'hessian']);
  expect(await lattice.quantize(weights.slice())).toEqual(oneSidedBlocks);
});

describe('samples of the inputs of rows', () => {
  it('have the weights of all tokens in the mean, and large ones each', () => {
    const [tokens, count] = [4000, 50];
    const shares = new Random(7);
    const variances = shares.fill(tokens * count, (random) => 0.25 * Math.abs(random.normal()) ** 8 * 1e-2);
    const samples = new OwnInputSamples(count + 3);
    const half = (tokens / 2) * count;
    samples.add(0, { first: 3, count }, variances.subarray(0, half));
    samples.add(tokens / 2, { first: 3, count }, variances.subarray(half));
    const found = samples.finish();
    expect(found.starts.slice(0, 4)).toEqual(Int32Array.of(0, 0, 0, 0));
    expect(found.tokens.length).toBeLessThan(32 * tokens);
    let [all, sampled] = [0, 0];
    for (let row = 0; row < count; row++) {
      const entries = new Map<number, number>();
      for (let i = found.starts[row + 3]!; i < found.starts[row + 4]!; i++)
        entries.set(found.tokens[i]!, found.weights[i]!);
      for (let token = 0; token < tokens; token++) {
        const variance = variances[token * count + row]!;
        all += variance;
        if (variance >= 1 / 32) expect(entries.get(token)).toBe(variance);
      }
      for (const weight of entries.values()) sampled += weight;
      const exact = Array.from({ length: tokens }, (_, t) => variances[t * count + row]!);
      expect(found.diagonal[row + 3]! / exact.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
    }
    expect(sampled / all).toBeCloseTo(1, 2);
  });

  it('leave out tokens whose variances are not finite', () => {
    const sampled = (variances: Float32Array) => {
      const samples = new OwnInputSamples(3);
      samples.add(0, { first: 0, count: 3 }, variances);
      return samples.finish();
    };
    const finite = sampled(Float32Array.of(0.25, 0, 0, 0, 0, 0, 0, 0.25, 0.01));
    const found = sampled(Float32Array.of(0.25, 0, 0, NaN, NaN, -Infinity, 0, 0.25, 0.01));
    expect(found.tokens).toEqual(Int32Array.of(0, 2));
    expect({ ...found, diagonal: [] }).toEqual({ ...finite, diagonal: [] });
    expect(found.diagonal).toEqual(Float64Array.of(NaN, NaN, -Infinity));
  });
});
