import { describe, expect, it } from 'vitest';
import { castNumbers } from '../../../src/exporter/convert/castNumbers';
import { loadNative } from '../../../src/native';
import { Random } from '../../support/random';

const halfOf = (values: Float32Array | Float64Array, dtype: 'F16' | 'BF16') =>
  new Uint16Array(castNumbers(values, dtype).bytes.slice().buffer);

describe('numbers in half precision', () => {
  it.each(['F16', 'BF16'] as const)('have the bits that the addon gives (%s)', async (dtype) => {
    const random = new Random(7);
    const values = random.fill(20_000, (r) => r.normal() * 2 ** Math.min(9, 12 * r.normal() - 9));
    const bits = new Uint8Array(2 * values.length);
    await loadNative().recodeRows('F32', new Uint8Array(values.buffer), dtype, values.length, bits);
    expect(castNumbers(values, dtype).bytes).toEqual(bits);
  });

  it('round ties to even, numbers below the smallest normal one too', () => {
    const step = 2 ** -24; // the smallest number of F16
    expect([...halfOf(Float32Array.of(0.5 * step, 1.5 * step, 2.5 * step, -0), 'F16')]).toEqual([
      ...[0, 2, 2, 0x8000],
    ]);
    expect([...halfOf(Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519), 'F16')]).toEqual([
      ...[0x3c00, 0x3c02, 0x7bff],
    ]);
  });

  it('round once from float64', () => {
    // Just above the middle of two halves: by way of float32 it would be the middle, and round down.
    const value = 1 + 2 ** -11 + 2 ** -40;
    expect([...halfOf(Float64Array.of(value), 'F16')]).toEqual([0x3c01]);
    expect([...halfOf(Float32Array.of(value), 'F16')]).toEqual([0x3c00]);
  });

  it('become infinite where they are too large, which is counted; infinities and NaN stay', () => {
    const values = Float32Array.of(1, 65520, -1e30, Infinity, NaN);
    expect([...halfOf(values, 'F16')]).toEqual([0x3c00, 0x7c00, 0xfc00, 0x7c00, 0x7e00]);
    expect(castNumbers(values, 'F16').overflows).toEqual({ count: 2, first: 1 });
    expect(castNumbers(Float64Array.of(0, -1e300), 'F32').overflows).toEqual({ count: 1, first: 1 });
  });
});
