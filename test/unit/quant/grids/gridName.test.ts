import { describe, expect, it } from 'vitest';
import type { Grid } from '../../../../src/protocol/grids';
import { gridName, gridNamed } from '../../../../src/quant/grids/gridName';
import { gridBytes } from '../../../../src/quant/grids/gridSize';
import { roundToNearest, decodeRows } from '../../../../src/quant/grids/roundToNearest';
import { bitsandbytes4bit, llmInt8 } from '../../../../src/quant/grids/libraries';

describe('names of grids', () => {
  it.each<[string, Partial<Grid>]>([
    [
      'int4-g128',
      {
        levels: { kind: 'integer', bits: 4, signed: true },
        group: 128,
        rule: { kind: 'absmax', divisor: 7.5 },
        scale: 'F16',
      },
    ],
    [
      'uint3-g64-zp',
      {
        levels: { kind: 'integer', bits: 3, signed: false },
        group: 64,
        rule: { kind: 'range', widened: true },
        zero: 'integer',
      },
    ],
    [
      'e4m3-row',
      {
        levels: { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' },
        group: 'row',
        rule: { kind: 'absmax', divisor: 448 },
      },
    ],
    ['e5m2-tensor-f32', { group: 'tensor', rule: { kind: 'absmax', divisor: 57344 }, scale: 'F32' }],
    ['e4m3-128x128-f32', { group: { rows: 128, columns: 128 }, scale: 'F32' }],
    ['mxfp4', { group: 32, scale: 'F8_E8M0', rule: { kind: 'exponent', largest: 2, up: 2 } }],
    ['nvfp4', { group: 16, scale: 'F8_E4M3', global: 'divisor', rule: { kind: 'absmax', divisor: 6 } }],
    ['llm-int8', llmInt8],
    ['nf4-b64', bitsandbytes4bit('nf4', 64)],
    ['fp4-b128-dq', bitsandbytes4bit('fp4', 128, { nested: true })],
  ])('%s is a grid and back', (name, grid) => {
    expect(gridNamed(name)).toMatchObject(grid);
    expect(gridName(gridNamed(name))).toBe(name);
  });

  it('may leave out the usual group, and parts come in any order', () => {
    expect(gridName(gridNamed('NF4'))).toBe('nf4-b64');
    expect(gridName(gridNamed('int8'))).toBe('int8-row');
    expect(gridName(gridNamed('int4-zp-bf16-g32'))).toBe('int4-g32-zp-bf16');
  });

  it.each([
    ['int9-g64', /"int9-g64" is not a grid\. It begins with levels/],
    ['mxpf4', /Did you mean "mxfp4"\?/],
    ['constructor', /"constructor" is not a grid\. It begins with levels/],
    ['e5m5', /It begins with levels/],
    ['int4-g64-g32', /"g32" is not a group, .* or is there twice/],
    ['int4-g0', /"g0" is not a group/],
    ['uint4-g64', /Unsigned integers need zero points/],
    ['nf4-zp', /Only integers have zero points/],
  ])('%s is rejected', (name, message) => expect(() => gridNamed(name)).toThrow(message));

  it.each(['int2-g8', 'int4-zp', 'uint8-tensor-zp', 'e3m2-g16', 'e1m2-g8', 'mxfp4', 'nvfp4', 'fp4-b64-dq'])(
    'a matrix can be rounded to %s',
    async (name) => {
      const values = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i));
      const range = { min: -1, max: 1 };
      const decoded = await decodeRows(await roundToNearest(gridNamed(name), values, [4, 32], { range }));
      const error = values.reduce((most, value, i) => Math.max(most, Math.abs(value - decoded[i]!)), 0);
      expect(error).toBeLessThan(0.5);
    },
  );
});

describe('bytes of a matrix in a grid', () => {
  it.each([
    ['int4-g128', 4 + 16 / 128],
    ['uint4-g128-zp', 4 + 16 / 128 + 4 / 128],
    ['nf4-b64', 4 + 32 / 64],
    ['mxfp4', 4.25],
    ['e4m3-row-f32', 8 + 32 / 1024],
  ])('%s has %f bits per weight', (name, bits) =>
    expect((8 * gridBytes(gridNamed(name), 512, 1024)) / (512 * 1024)).toBe(bits),
  );

  it('counts blocks of scales, the global scale and kept columns', () => {
    expect(gridBytes(gridNamed('nf4-b64-dq'), 8, 64)).toBe(256 + 8 + 4 + 4);
    expect(gridBytes(gridNamed('nvfp4'), 8, 64)).toBe(256 + 32 + 4);
    expect(gridBytes(gridNamed('int8-row'), 8, 64, 2)).toBe(512 + 16 + 2 * (16 + 4));
  });
});
