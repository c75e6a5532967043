import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../../src/graph/onnxWriter';
import { Ops } from '../../../../src/graph/ops';
import { createSession, floatsOf, loadRuntime } from '../../../../src/graph/session';
import {
  roundingFor,
  roundInputs,
  type ActivationRounding,
  type Rounding,
} from '../../../../src/graph/transformer/rounding';
import type { InputRounding } from '../../../../src/protocol/ggmlTypes';
import { Random } from '../../../support/random';

const columns = 512;

async function roundedByGraph(rounding: Rounding, values: Float32Array): Promise<Float32Array> {
  const graph = new GraphBuilder('rounding');
  const x = graph.input('x', ['n', columns]);
  graph.output('y', roundInputs(new Ops(graph), x, rounding, columns), ['n', columns]);
  const session = await createSession('ort-cpu', graph.finish());
  const { Tensor } = loadRuntime();
  const { y } = await session.run({ x: new Tensor('float32', values, [values.length / columns, columns]) });
  await session.release();
  return floatsOf(y);
}

/** ggml's rounding of a block of inputs: its codes before they become whole numbers, and what one of them is worth. */
interface RoundedBlock {
  readonly exact: readonly number[];
  readonly step: number;
}

/** quantize_row_q8_0: 127 steps up to the largest magnitude, the step in half precision. */
function q8_0(block: Float32Array): RoundedBlock {
  const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const step = Math.fround(largest / 127);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  return { exact: [...block].map((value) => Math.fround(value * inverse)), step: toHalf(step) };
}

/** quantize_row_q8_K: the first of the largest magnitude becomes −127; the step in single precision. */
function q8_K(block: Float32Array): RoundedBlock {
  const extreme = block.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  if (extreme === 0) return { exact: [...block].map(() => 0), step: 0 };
  const inverse = Math.fround(-127 / extreme);
  return { exact: [...block].map((value) => Math.fround(value * inverse)), step: Math.fround(1 / inverse) };
}

/** The nearest number of half precision, ties to even. */
function toHalf(value: number): number {
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value) || 1)));
  const unit = 2 ** (exponent - 10);
  const units = value / unit;
  const down = Math.floor(units);
  const up = units - down > 0.5 || (units - down === 0.5 && down % 2 === 1);
  return (down + (up ? 1 : 0)) * unit;
}

const schemes = { Q8_0: { block: 32, round: q8_0 }, Q8_K: { block: 256, round: q8_K } } as const;

/** Differences of the graph's values from whole codes times the step; where a code is nearly half way, both are right. */
function wrongValues(rounding: InputRounding, values: Float32Array, found: Float32Array): string[] {
  const { block, round } = schemes[rounding];
  const wrong: string[] = [];
  for (let first = 0; first < values.length; first += block) {
    const { exact, step } = round(values.subarray(first, first + block));
    exact.forEach((code, i) => {
      const value = found[first + i]!;
      const isCode = (whole: number): boolean =>
        Math.abs(value - Math.min(127, whole) * step) <= 2e-7 * Math.abs(whole * step);
      const near = [code - 1e-4, code + 1e-4].map((nearby) => Math.round(nearby));
      if (!near.some(isCode))
        wrong.push(`${first + i}: ${values[first + i]} became ${value}, not ${code} × ${step}`);
    });
  }
  return wrong;
}

const inputs: Readonly<Record<string, Float32Array>> = {
  normal: new Random(5).fill(16 * columns, (r) => r.normal()),
  'heavy-tailed': new Random(6).fill(16 * columns, (r) => r.studentT3() * 40),
  tiny: new Random(7).fill(2 * columns, (r) => r.normal() * 1e-4),
  'with blocks of zeros': new Random(8)
    .fill(4 * columns, (r) => r.normal())
    .map((value, i) => (Math.floor(i / 32) % 3 === 0 || i < 256 ? 0 : value)),
  'all negative': new Random(9).fill(2 * columns, (r) => -Math.abs(r.normal()) - 0.1),
};

describe.each(['Q8_0', 'Q8_K'] as const)('inputs rounded as ggml’s %s', (rounding) => {
  it.each(Object.keys(inputs))('have the codes of the definition: %s', async (name) => {
    const values = inputs[name]!;
    const found = await roundedByGraph(rounding, values);
    expect(wrongValues(rounding, values, found)).toEqual([]);
    expect(found).not.toEqual(values);
  });
});

describe('ggml’s Q8_0', () => {
  it('keeps the step in half precision, which shows in the largest value', async () => {
    const values = new Float32Array(columns);
    values[3] = 100; // 100/127 = 0.787402 lies between halves, 1612 and 1613 of 2048: the latter is nearer
    const found = await roundedByGraph('Q8_0', values);
    expect(found[3]).toBe((127 * 1613) / 2048);
    expect(found.filter((value) => value !== 0)).toHaveLength(1);
  });
});

describe('ggml’s Q8_K', () => {
  it('gives the code −127 to the element of largest magnitude, and the first of two takes it', async () => {
    const values = new Float32Array(columns);
    values.set([1, -1, 0.5], 10);
    values.set([-2, 2], 300);
    const found = await roundedByGraph('Q8_K', values);
    expect([found[10], found[11]]).toEqual([1, -1]);
    expect(found[12]).toBeCloseTo(64 / 127, 6); // −63.5 goes to the even −64
    expect([found[300], found[301]]).toEqual([-2, 2]);
  });
});

describe('the rounding that a type of weights is multiplied with', () => {
  it('is that of ggml’s table of CPU kernels', () => {
    for (const type of ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'MXFP4', 'NVFP4'])
      expect(roundingFor(type), type).toBe('Q8_0');
    for (const type of ['Q2_K', 'Q3_K', 'Q6_K', 'IQ2_XXS', 'IQ3_S', 'IQ1_M', 'IQ4_XS', 'TQ1_0', 'TQ2_0'])
      expect(roundingFor(type), type).toBe('Q8_K');
  });

  it('is none for floats and for formats that GGUF does not have', () => {
    for (const type of ['F32', 'F16', 'BF16', 'nf4', 'rowwise-int8', 'fp8-e4m3-tensor'])
      expect(roundingFor(type), type).toBeUndefined();
  });
});

describe('rounding of inputs as a recipe says', () => {
  const random = new Random(31);
  const rows = 5;
  const values = Float32Array.from({ length: rows * columns }, (_, i) =>
    Math.floor(i / columns) === 2 ? 0 : (random.next() - 0.5) * 10 ** (Math.floor(i / columns) - 2),
  );
  const largestOf = (some: Float32Array): number => some.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

  /** The nearest of all values of E4M3, ties to the even code. */
  const e4m3 = Array.from({ length: 127 }, (_, code) => {
    const [field, fraction] = [code >> 3, code & 7];
    return field === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (field - 10);
  });
  const nearestE4m3 = (x: number): number => {
    const distance = (code: number): number => Math.abs(e4m3[code]! - Math.abs(x));
    const best = e4m3.reduce((code, _, i) => {
      const difference = distance(i) - distance(code);
      return difference < 0 || (difference === 0 && i % 2 === 0) ? i : code;
    }, 0);
    return Math.sign(x) * e4m3[best]!;
  };
  const nearestWhole = (x: number): number => Math.max(-127, Math.min(127, Math.round(x)));
  const int8 = { kind: 'integer', bits: 8, signed: true } as const;
  const fp8 = { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' } as const;

  it.each<[string, ActivationRounding, number, (x: number) => number]>([
    ['int8 per token', { levels: int8, scale: 'token' }, 127, nearestWhole],
    ['int8 per tensor', { levels: int8, scale: 'tensor' }, 127, nearestWhole],
    ['int8 with a fixed scale that clips', { levels: int8, scale: 'static', largest: 3 }, 127, nearestWhole],
    ['E4M3 per token', { levels: fp8, scale: 'token' }, 448, nearestE4m3],
    ['E4M3 with a fixed scale', { levels: fp8, scale: 'static', largest: 60 }, 448, nearestE4m3],
  ])('%s', async (_, rounding, top, nearest) => {
    const found = await roundedByGraph(rounding, values);
    for (let row = 0; row < rows; row++) {
      const own = values.subarray(row * columns, (row + 1) * columns);
      const magnitude =
        rounding.scale === 'token'
          ? largestOf(own)
          : rounding.scale === 'tensor'
            ? largestOf(values)
            : rounding.largest!;
      const step = magnitude / top;
      own.forEach((value, i) => {
        const exact = step === 0 ? 0 : Math.max(-top, Math.min(top, value / step));
        const near = [exact - 1e-4, exact, exact + 1e-4].map((code) => nearest(code) * step);
        const rounded = found[row * columns + i]!;
        expect(near.some((code) => Math.abs(code - rounded) <= 1e-6 * Math.abs(code))).toBe(true);
      });
    }
  });
});
