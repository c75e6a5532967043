import { describe, expect, it } from 'vitest';
import { loadNative } from '../../../../src/native';
import {
  awq,
  bitsandbytes4bit,
  bitsandbytes8bit,
  eetq,
  float8Blocks,
  gptq,
  onnxBlocks,
  onnxInt8,
} from '../../../../src/quant/grids/libraries';
import { hqq, quantoGroups, quantoRows } from '../../../support/readLibraries';
import { decodeRows } from '../../../../src/quant/grids/roundToNearest';
import {
  readReference,
  roundVector,
  transposed,
  unpackBits,
  vectorNamed,
  vectorsOf,
} from '../../../support/reference';

it.each(vectorsOf('bitsandbytes', /^8bit-rowwise/))('bitsandbytes %s', async (name) => {
  const vector = await vectorNamed('bitsandbytes', name);
  const found = await roundVector(vector, bitsandbytes8bit);
  expect(found.codes).toEqual(vector.bytes('weight'));
  expect(found.scales).toEqual(await vector.floats('SCB'));
  if (vector.has('dequantized')) expect(found.decoded).toEqual(await vector.floats('dequantized'));
});

it.each(vectorsOf('autoawq', /^(gemm|gemv|gemv_fast)-/))('AutoAWQ %s', async (name) => {
  const vector = await vectorNamed('autoawq', name);
  const found = await roundVector(
    vector,
    awq(4, Number(vector.option('q_group_size')), { dtype: vector.dtype }),
  );
  expect(found.scales).toEqual(await vector.floats('scales_before_pack'));
  expect(found.zeros).toEqual((await vector.floats('zeros_before_pack')).map((zero) => zero + 0));
  if (vector.has('codes_in_out')) {
    expect(found.codes).toEqual(transposed(vector.bytes('codes_in_out'), vector.shape));
  }
  if (vector.has('pseudo_dequantized')) {
    expect(found.decoded).toEqual(await vector.floats('pseudo_dequantized'));
  }
});

it.each(vectorsOf('autoawq', /^pseudo-/))('AutoAWQ %s', async (name) => {
  const vector = await vectorNamed('autoawq', name);
  const grid = awq(Number(vector.option('w_bit')), Number(vector.option('q_group_size')), {
    zero: vector.option('zero_point') === true,
    dtype: vector.dtype,
  });
  const found = await roundVector(vector, grid);
  expect(found.scales).toEqual(await vector.floats('scales'));
  // AutoAWQ computes with floats, so that its zeros keep signs, which codes do not.
  expect(found.decoded).toEqual((await vector.floats('dequantized')).map((value) => value + 0));
});

/** Those whose scales are fitted to the weights as they are, not to corrected ones or by a search. */
const gptqOfWeights = /^(?!.*(actorder-w|block32|mse|dead|special)).*/;

describe('GPTQ', () => {
  it.each(vectorsOf('gptq-original', gptqOfWeights))(
    '%s: scales, zero points and error of rounding',
    async (name) => {
      const vector = await vectorNamed('gptq-original', name);
      const group = Number(vector.option('groupsize'));
      const bits = Number(vector.option('bits'));
      const isSymmetric = vector.option('sym') === true;
      const grid = { ...gptq(bits, group === -1 ? 'row' : group, isSymmetric), scale: 'F32' } as const;
      const found = await roundVector(vector, grid);
      expect(found.scales).toEqual(await vector.floats('scale'));
      const zeros = found.zeros ?? found.scales.map(() => 2 ** (bits - 1));
      expect(zeros).toEqual(await vector.floats('zero'));
      const inputs = await readReference('calibration', 'layer-x-256x128.safetensors')
        .values()
        .next()
        .value!.floats();
      const expected = Number(vector.description['rtn_output_error']);
      expect(outputError(vector.values, found.decoded, inputs, 128)).toBeCloseTo(expected, 2);
    },
  );
});

/** Σ ((ŵ − w) xᵀ)² over rows of weights and of inputs. */
function outputError(
  weights: Float32Array,
  decoded: Float32Array,
  inputs: Float32Array,
  columns: number,
): number {
  let sum = 0;
  for (let row = 0; row < weights.length; row += columns) {
    for (let input = 0; input < inputs.length; input += columns) {
      let dot = 0;
      for (let i = 0; i < columns; i++) dot += (decoded[row + i]! - weights[row + i]!) * inputs[input + i]!;
      sum += dot * dot;
    }
  }
  return sum;
}

it.each(vectorsOf('eetq', /^int8-sm80/))('EETQ %s', async (name) => {
  const vector = await vectorNamed('eetq', name);
  const found = await roundVector(vector, eetq);
  expect(found.scales).toEqual(await vector.floats('weight_scales'));
  // EETQ divides rows of zeros by 0 and gets code 127, times a scale of 0.
  const codes = transposed(vector.bytes('unprocessed_row_major'), vector.shape);
  const hasScale = (_: number, i: number): boolean => found.scales[Math.floor(i / vector.shape[1])] !== 0;
  expect(found.codes.filter(hasScale)).toEqual(codes.filter(hasScale));
});

it.each(vectorsOf('optimum-quanto', /^(int8|float8)/))('quanto %s', async (name) => {
  const vector = await vectorNamed('optimum-quanto', name);
  const found = await roundVector(vector, quantoRows(name.startsWith('int8') ? 'int8' : 'float8'));
  expect(found.scales).toEqual(await vector.floats('scale'));
  expect(found.codes).toEqual(vector.bytes('data'));
  expect(found.decoded).toEqual(await vector.floats('dequantized'));
});

it.each(vectorsOf('optimum-quanto', /^int[24]/))('quanto %s', async (name) => {
  const vector = await vectorNamed('optimum-quanto', name);
  const bits = Number(name[3]);
  const found = await roundVector(vector, quantoGroups(bits, Number(vector.option('group_size'))));
  expect(found.scales).toEqual(await vector.floats('scale'));
  expect(found.zeros).toEqual((await vector.floats('shift')).map((shift) => -shift));
  expect(found.decoded).toEqual(await vector.floats('dequantized'));
});

it.each(vectorsOf('hqq', /axis1-rtn/))('HQQ %s', async (name) => {
  const vector = await vectorNamed('hqq', name);
  const found = await roundVector(
    vector,
    hqq(Number(vector.option('nbits')), Number(vector.option('group_size'))),
  );
  expect(found.scales).toEqual(await vector.floats('scale'));
  expect(found.zeros).toEqual(await vector.floats('zero'));
  expect(found.decoded).toEqual(await vector.floats('dequantized'));
});

it.each(vectorsOf('transformers-fp8', /^fp8/))('transformers %s', async (name) => {
  const vector = await vectorNamed('transformers-fp8', name);
  const block = vector.option('weight_block_size') as [number, number] | null;
  const group = block ? { rows: block[0], columns: block[1] } : 'tensor';
  const found = await roundVector(vector, float8Blocks(group, { powerOfTwo: name.includes('ue8m0') }));
  expect(found.codes).toEqual(vector.bytes('weight'));
  expect(found.scales).toEqual(await vector.floats('weight_scale_inv'));
  if (vector.has('dequantized')) expect(found.decoded).toEqual(await vector.floats('dequantized'));
});

it.each(vectorsOf('onnxruntime', /^matmulnbits-b/))('ONNX Runtime %s', async (name) => {
  const vector = await vectorNamed('onnxruntime', name);
  const [rows, columns] = vector.shape;
  const bits = Number(vector.option('bits'));
  const block = Number(vector.option('block_size'));
  const isSymmetric = vector.option('is_symmetric') === 'True';
  const found = await roundVector(vector, onnxBlocks(bits, block, isSymmetric));
  const across = Math.ceil(columns / block) * block;
  const stored = unpackBits(vector.bytes(vector.has('W_Q4') ? 'W_Q4' : `W_Q${bits}`), bits, rows * across);
  const codes = stored.filter((_, i) => i % across < columns);
  // Symmetric codes are stored with 2^(bits − 1) added.
  expect(found.codes.map((code) => (isSymmetric ? code + 2 ** (bits - 1) : code))).toEqual(codes);
  expect(found.scales).toEqual(await vector.floats('W_scales'));
  if (!isSymmetric) {
    const perRow = Math.ceil((across / block) * (bits / 8)) * (8 / bits);
    const zeros = unpackBits(vector.bytes('W_zero_points'), bits, rows * perRow);
    expect(found.zeros).toEqual(Float32Array.from(zeros.filter((_, i) => i % perRow < across / block)));
  }
});

it.each(vectorsOf('onnxruntime', /^(dynamic|static-qdq-(?!distribution))/))(
  'ONNX Runtime %s',
  async (name) => {
    const vector = await vectorNamed('onnxruntime', name);
    const scales = await vector.floats('W_scale');
    const isSymmetric = !name.includes('QUInt8');
    const found = await roundVector(vector, onnxInt8(scales.length > 1 ? 'row' : 'tensor', isSymmetric));
    expect(found.scales).toEqual(scales);
    expect(found.codes).toEqual(transposed(vector.bytes('W_quantized'), vector.shape));
    if (!isSymmetric) expect(found.zeros).toEqual(Float32Array.from(vector.bytes('W_zero_point')));
  },
);

it.each(vectorsOf('onnxruntime', /^matmul-qdq-int4/))('ONNX Runtime %s', async (name) => {
  const vector = await vectorNamed('onnxruntime', name);
  const isSymmetric = name.includes('-sym-');
  const found = await roundVector(vector, onnxBlocks(4, 32, isSymmetric));
  const [rows, columns] = vector.shape;
  // Stored one to a byte, [columns, rows]; symmetric codes are INT4.
  const nibble = (code: number): number => code & 15;
  const codes = transposed(vector.bytes('W_DQ_Q4'), vector.shape);
  expect(found.codes.map(nibble)).toEqual(codes.map(nibble));
  const scales = await vector.floats('W_DQ_scales');
  expect(found.scales).toEqual(
    found.scales.map((_, i) => scales[(i % (columns / 32)) * rows + Math.floor(i / (columns / 32))]!),
  );
  if (!isSymmetric) {
    const zeros = transposed(vector.bytes('W_DQ_zero_points'), [rows, columns / 32]);
    expect(found.zeros).toEqual(Float32Array.from(zeros));
  }
});

it.each(vectorsOf('onnxruntime', /^matmulbnb4/))('ONNX Runtime %s', async (name) => {
  const vector = await vectorNamed('onnxruntime', name);
  const table = name.includes('nf4') ? 'nf4' : 'fp4';
  const found = await roundVector(vector, bitsandbytes4bit(table, Number(vector.option('block_size'))));
  expect(found.scales).toEqual(await vector.floats('W_absmax'));
  const packed = vector.bytes('W_Bnb4');
  const codes = found.codes.map((_, i) => (packed[i >> 1]! >> (i % 2 === 0 ? 4 : 0)) & 15);
  // FP4 has two codes of 0, and the libraries differ in which they use: the decoded weights are compared.
  expect(found.decoded.map((value) => value + 0)).toEqual(
    (await decodeRows({ ...found, codes })).map((value) => value + 0),
  );
});

it('casts to E4M3 and E5M2, and the values of all codes, are those of torch', async () => {
  const tensors = readReference('transformers-fp8', 'vectors', 'torch-float8-casts.safetensors');
  const input = await tensors.get('input')!.floats();
  for (const [dtype, levels, largest] of [
    ['float8_e4m3fn', { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' }, 448],
    ['float8_e5m2', { kind: 'float', exponent: 5, mantissa: 2, special: 'ieee' }, 57344],
  ] as const) {
    const grid = { levels, group: 'row', rule: { kind: 'absmax', divisor: 1 }, scale: 'F32' } as const;
    const matrix = (columns: number) => ({ rows: 1, columns, groupRows: 1, groupColumns: columns });
    // Torch gives NaN or infinity beyond the range, grids saturate.
    const inside = (_: number, i: number): boolean => Math.abs(input[i]!) <= largest;
    const finite = input.map((value) => (Math.abs(value) <= largest ? value : 0));
    const codes = new Uint8Array(input.length);
    const one = { scales: Float32Array.of(1) };
    await loadNative().gridCodes(grid, finite, matrix(input.length), one, codes);
    expect(codes.filter(inside)).toEqual(tensors.get(`encode.${dtype}`)!.bytes.filter(inside));
    const all = Uint8Array.from({ length: 256 }, (_, code) => code);
    const decoded = new Float32Array(256);
    await loadNative().gridWeights(grid, all, matrix(256), one, decoded);
    expect(decoded).toEqual(await tensors.get(`decode.${dtype}`)!.floats());
  }
});
