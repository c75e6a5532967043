import { describe, expect, it } from 'vitest';
import { bitsandbytes4bit, type WeightDtype } from '../../../../src/quant/grids/libraries';
import { meanScale } from '../../../../src/quant/grids/nested';
import { decodeRows, roundToNearest } from '../../../../src/quant/grids/roundToNearest';
import { loadNative } from '../../../../src/native';
import { nativeNestedCodes } from '../../../support/nativeNesting';
import { inputNamed, optionsOf, readReference, vectorsOf } from '../../../support/reference';

const dtypes: Readonly<Record<string, WeightDtype>> = {
  'torch.bfloat16': 'BF16',
  'torch.float16': 'F16',
};

/** Codes two to a byte, the even element in the high nibble. */
const nibbles = (packed: Uint8Array, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (packed[i >> 1]! >> (i % 2 === 0 ? 4 : 0)) & 15);

describe('4-bit codes and absmax are those of bitsandbytes', () => {
  it.each(vectorsOf('bitsandbytes', /^4bit-.*-w\d/))('%s', async (name) => {
    const described = optionsOf('bitsandbytes', name);
    const options = described['options'] as { blocksize: number; quant_type: 'nf4' | 'fp4' };
    const tensors = readReference('bitsandbytes', 'vectors', `${name}.safetensors`);
    const dtype = dtypes[String(described['input_dtype'])] ?? 'F32';
    const { values, shape } = await inputNamed(String(described['input']), dtype);
    const nestedAbsmax = await tensors.get('nested_absmax')?.floats();
    const grid = bitsandbytes4bit(options.quant_type, options.blocksize, {
      nested: nestedAbsmax !== undefined,
    });
    const [offset] = (await tensors.get('nested_offset')?.floats()) ?? [];
    const found = await roundToNearest(grid, values, shape, { meanScale: offset });

    // Codes 0 and 8 of FP4 both stand for 0; the CPU library gives 8 for small positive weights, CUDA and we 0.
    const zeroOnce = (code: number): number => (options.quant_type === 'fp4' && code === 8 ? 0 : code);
    const packed = tensors.get('packed') ?? tensors.get('storage')!;
    expect(Array.from(found.codes, zeroOnce)).toEqual(nibbles(packed.bytes, values.length).map(zeroOnce));
    if (!nestedAbsmax) {
      expect(found.scales).toEqual(await tensors.get('absmax')!.floats());
    } else {
      const codes = tensors.get('absmax')!.bytes;
      const { scales } = await roundToNearest(
        bitsandbytes4bit(options.quant_type, options.blocksize),
        values,
        shape,
      );
      const isExact = name.includes('-default-');
      expect(isExact ? found.nested!.codes : nativeNestedCodes(scales, 256, offset!)).toEqual(codes);
      found.nested!.codes.forEach((code, i) => expect(Math.abs(code - codes[i]!)).toBeLessThanOrEqual(1));
      expect(found.nested!.absmax).toEqual(nestedAbsmax);
    }
    const dequantized = await tensors.get('dequantized')?.floats();
    if (dequantized && !nestedAbsmax) {
      const decoded = loadNative().storedScales(dtype, await decodeRows(found));
      expect(decoded).toEqual(dequantized.map((value) => value + 0));
    }
  });
});

it('the offset of nested scales is their mean, to an ulp of torch.mean, which sums in float32', async () => {
  const tensors = readReference('bitsandbytes', 'vectors', '4bit-nf4-b64-nested-w64x128.heavy.safetensors');
  const before = await tensors.get('absmax_before_nesting')!.floats();
  const [offset] = await tensors.get('nested_offset')!.floats();
  expect(Math.abs(meanScale(before) - offset!)).toBeLessThanOrEqual(offset! * 2 ** -22);
});
