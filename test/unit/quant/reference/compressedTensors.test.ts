import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import type { GroupShape } from '../../../../src/protocol/grids';
import {
  compressedFloat8,
  compressedIntegers,
  compressedMx,
  compressedNvfp4,
} from '../../../../src/quant/grids/libraries';
import {
  readReference,
  roundVector,
  unpackBits,
  vectorNamed,
  vectorsOf,
  type Vector,
} from '../../../support/reference';

interface Weights {
  readonly num_bits: number;
  readonly symmetric: boolean;
  readonly strategy: string;
  readonly group_size: number | null;
  readonly block_structure: readonly [number, number] | null;
}

const weightsOf = ({ description }: Vector): Weights =>
  (description['scheme'] as { readonly weights: Weights }).weights;

function groupOf({ group_size, strategy, block_structure }: Weights): GroupShape {
  if (block_structure) return { rows: block_structure[0], columns: block_structure[1] };
  return group_size ?? (strategy === 'channel' ? 'row' : 'tensor');
}

/** Decoded weights; half of the larger inputs were kept without. compressed-tensors gives bfloat16 for NVFP4, whatever the model's dtype. */
async function expectDecoded(vector: Vector, decoded: Float32Array): Promise<void> {
  if (!vector.has('dequantized')) return;
  const expected = await vector.floats('dequantized');
  const narrow = vector.name.startsWith('NVFP4') ? loadNative().storedScales('BF16', decoded) : decoded;
  expect(narrow).toEqual(expected);
}

/** Codes of so many bits in 32-bit words, rows one by one, 2^(bits − 1) added. */
function packedCodes(vector: Vector, bits: number): Uint8Array {
  const [rows, columns] = vector.shape;
  const words = vector.bytes('compressed.weight_packed');
  const perRow = words.length / rows;
  const codes = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const own = unpackBits(words.subarray(row * perRow, (row + 1) * perRow), bits, columns);
    codes.set(
      own.map((code) => code - 2 ** (bits - 1)),
      row * columns,
    );
  }
  return codes;
}

describe('scales, zero points and codes are those of compressed-tensors', () => {
  it.each(vectorsOf('compressed-tensors', /^W\dA/))('%s', async (name) => {
    const vector = await vectorNamed('compressed-tensors', name);
    const weights = weightsOf(vector);
    const { dtype } = vector;
    const grid = compressedIntegers(weights.num_bits, groupOf(weights), {
      dtype,
      symmetric: weights.symmetric,
    });
    const found = await roundVector(vector, grid);
    expect(found.scales).toEqual(await vector.floats('scale_before_compress'));
    if (!weights.symmetric) expect(found.zeros).toEqual(await vector.floats('zero_point_before_compress'));
    const isPacked = vector.has('compressed.weight_packed');
    expect(found.codes).toEqual(
      isPacked ? packedCodes(vector, weights.num_bits) : vector.bytes('compressed.weight'),
    );
    await expectDecoded(vector, found.decoded);
  });

  it.each(vectorsOf('compressed-tensors', /^FP8/))('%s', async (name) => {
    const vector = await vectorNamed('compressed-tensors', name);
    const found = await roundVector(
      vector,
      compressedFloat8(groupOf(weightsOf(vector)), { dtype: vector.dtype }),
    );
    expect(found.scales).toEqual(await vector.floats('scale_before_compress'));
    expect(found.codes).toEqual(vector.bytes('compressed.weight'));
    await expectDecoded(vector, found.decoded);
  });

  it.each(vectorsOf('compressed-tensors', /^NVFP4/))('%s', async (name) => {
    const vector = await vectorNamed('compressed-tensors', name);
    const found = await roundVector(vector, compressedNvfp4({ dtype: vector.dtype }));
    const stored = await loadScales(vector);
    expect(found.scales).toEqual(stored);
    expect([found.globalScale]).toEqual([...(await vector.floats('compressed.weight_global_scale'))]);
    expect(found.codes).toEqual(unpackBits(vector.bytes('compressed.weight_packed'), 4, found.codes.length));
    await expectDecoded(vector, found.decoded);
  });

  it.each(vectorsOf('compressed-tensors', /^MXFP/))('%s', async (name) => {
    const vector = await vectorNamed('compressed-tensors', name);
    const levels = name.startsWith('MXFP4') ? 'fp4' : 'fp8';
    const found = await roundVector(vector, compressedMx(levels, { dtype: vector.dtype }));
    expect(found.scales).toEqual(await vector.floats('compressed.weight_scale'));
    expect(found.codes).toEqual(
      levels === 'fp4'
        ? unpackBits(vector.bytes('compressed.weight_packed'), 4, found.codes.length)
        : vector.bytes('compressed.weight'),
    );
    await expectDecoded(vector, found.decoded);
  });
});

const loadScales = async (vector: Vector): Promise<Float32Array> => {
  const bytes = vector.bytes('compressed.weight_scale');
  const scales = new Float32Array(bytes.length);
  await loadNative().decode('F8_E4M3', bytes, scales);
  return scales;
};

it('E2M1 rounds to even mantissas at the points of decision', async () => {
  const tensors = readReference('compressed-tensors', 'vectors', 'fp4-e2m1-decision-points.safetensors');
  const input = await tensors.get('input')!.floats();
  const { levels } = compressedNvfp4();
  const grid = { levels, group: 'row', rule: { kind: 'absmax', divisor: 1 }, scale: 'F32' } as const;
  const codes = new Uint8Array(input.length);
  const matrix = { rows: 1, columns: input.length, groupRows: 1, groupColumns: input.length };
  await loadNative().gridCodes(grid, input, matrix, { scales: Float32Array.of(1) }, codes);
  const decoded = new Float32Array(input.length);
  await loadNative().gridWeights(grid, codes, matrix, { scales: Float32Array.of(1) }, decoded);
  const expected = await tensors.get('rounded')!.floats();
  expect(decoded.map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
});
