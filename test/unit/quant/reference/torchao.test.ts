import { describe, expect, it } from 'vitest';
import { torchaoFloat8, torchaoInt8, torchaoIntegers } from '../../../../src/quant/grids/libraries';
import { torchaoMx, torchaoNvfp4 } from '../../../support/readLibraries';
import { roundVector, unpackBits, vectorNamed, vectorsOf } from '../../../support/reference';

type Mode = Parameters<typeof torchaoMx>[1];

describe('scales and codes are those of TorchAO', () => {
  it.each(vectorsOf('torchao', /^int/))('%s', async (name) => {
    const vector = await vectorNamed('torchao', name);
    const group = name.includes('-g32-') ? 32 : 'row';
    const bits = Number(/^intx(\d)/.exec(name)?.[1] ?? 8);
    const isIntx = name.startsWith('intx');
    const found = await roundVector(
      vector,
      isIntx ? torchaoIntegers(bits, group, vector.dtype) : torchaoInt8(group, vector.dtype),
    );
    expect(found.scales).toEqual(await vector.floats('scale'));
    expect(found.codes).toEqual(vector.bytes('qdata'));
  });

  it.each(vectorsOf('torchao', /^float8/))('%s', async (name) => {
    const vector = await vectorNamed('torchao', name);
    const found = await roundVector(vector, torchaoFloat8(vector.dtype));
    expect(found.scales).toEqual(await vector.floats('scale'));
    // Of a row of zeros TorchAO makes NaN (0 / 0); ours are zeros.
    const isNotNaN = (code: number): boolean => (code & 0x7f) !== 0x7f;
    const codes = vector.bytes('qdata');
    expect(found.codes.filter((_, i) => isNotNaN(codes[i]!))).toEqual(codes.filter(isNotNaN));
    expect(found.codes.filter((_, i) => !isNotNaN(codes[i]!)).every((code) => code === 0)).toBe(true);
  });

  it.each(vectorsOf('torchao', /^mx/))('%s', async (name) => {
    const vector = await vectorNamed('torchao', name);
    const [, levels, mode] = name.split('-') as ['mx', 'fp4' | 'fp8', Mode];
    const found = await roundVector(vector, torchaoMx(levels, mode));
    const stored = vector.bytes('qdata');
    expect(found.scales).toEqual(await vector.floats('scale'));
    expect(found.codes).toEqual(levels === 'fp4' ? unpackBits(stored, 4, found.codes.length) : stored);
    expect(found.decoded).toEqual(await vector.floats('dequantized'));
  });

  it.each(vectorsOf('torchao', /^nvfp4/))('%s', async (name) => {
    const vector = await vectorNamed('torchao', name);
    const found = await roundVector(vector, torchaoNvfp4(name.includes('-two-') ? 'two' : 'one'));
    expect(found.scales).toEqual(await vector.floats('scale'));
    expect(found.codes).toEqual(unpackBits(vector.bytes('qdata'), 4, found.codes.length));
    if (vector.has('per_tensor_scale')) {
      expect([found.globalScale]).toEqual([...(await vector.floats('per_tensor_scale'))]);
    }
    expect(found.decoded).toEqual(await vector.floats('dequantized'));
  });
});
