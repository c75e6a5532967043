import { describe, expect, it } from 'vitest';
import { layOutGguf } from '../../../../src/exporter/gguf/writer';
import { fitsScalar, type ScalarType } from '../../../../src/model/keyValue';

describe('a number of GGUF metadata', () => {
  it.each([
    ['u8', 255, true],
    ['u8', 256, false],
    ['i8', -128, true],
    ['i8', 128, false],
    ['u16', -1, false],
    ['u32', 2 ** 32 - 1, true],
    ['u32', 2 ** 32 + 5, false],
    ['u32', 1.5, false],
    ['i32', -(2 ** 31), true],
    ['u64', 2n ** 64n - 1n, true],
    ['u64', -1n, false],
    ['f32', 0.1, true],
    ['f32', 1e308, false],
    ['f32', 1e-320, false],
    ['f32', -Infinity, true],
    ['f64', 1e308, true],
  ] as [ScalarType, number | bigint, boolean][])('of type %s may be %s: %s', (type, value, fits) => {
    expect(fitsScalar(type, value)).toBe(fits);
  });

  it('that its type cannot hold is an error naming the key', () => {
    const key = 'llama.context_length';
    expect(() => layOutGguf([{ key, type: 'u32', value: 2 ** 32 + 5 }], [])).toThrow(
      'The key "llama.context_length" is 4294967301, which u32 cannot hold.',
    );
    expect(() => layOutGguf([{ key, type: 'array', elementType: 'u8', values: [1, 300] }], [])).toThrow(
      /is 300, which u8 cannot hold/,
    );
  });
});
