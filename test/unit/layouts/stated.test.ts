import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import { checkpoint, type StoredBytes } from '../../support/layouts';

const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const words = (values: readonly number[]): Buffer => Buffer.from(Int32Array.from(values).buffer);

async function opened(parts: Readonly<Record<string, StoredBytes>>, quantization: object) {
  const config = { quantization_config: quantization };
  const model = await openModel(checkpoint(new Map(Object.entries(parts)), config));
  try {
    const [tensor] = model.description.tensors;
    const bytes = tensor!.stored ? await model.read(tensor!, 0, 4 * tensor!.elements) : new Uint8Array(0);
    return { ...model.description, tensor: tensor!, weights: new Float32Array(bytes.buffer) };
  } finally {
    await model.close();
  }
}

/** Two rows of ten codes of 4 bits (packed along rows), in groups of four: the last group of a row has two. */
const packed = (order?: readonly number[]): Record<string, StoredBytes> => ({
  weight_packed: { dtype: 'I32', shape: [2, 2], bytes: words([0x99999999, 0x99, 0x99999999, 0x99]) },
  weight_scale: { dtype: 'F32', shape: [2, 3], bytes: floats([1, 2, 3, 4, 5, 6]) },
  weight_shape: { dtype: 'I64', shape: [2], bytes: Buffer.from(BigInt64Array.of(2n, 10n).buffer) },
  ...(order ? { weight_g_idx: { dtype: 'I32', shape: [10], bytes: words(order) } } : {}),
});
const arguments_ = { num_bits: 4, group_size: 4, type: 'int' };
const inGroups = { config_groups: { group_0: { weights: arguments_ } } };
const row = (a: number, b: number, c: number): number[] => [a, a, a, a, b, b, b, b, c, c];

describe('what config.json says of quantized weights', () => {
  it('is the size of groups, where the last group of a row is shorter', async () => {
    const { weights } = await opened(packed(), inGroups);
    expect([...weights]).toEqual([...row(1, 2, 3), ...row(4, 5, 6)]);
  });

  it('is that of GPTQ too, where the file does not say the group of each column', async () => {
    const codes = 0x99999999 | 0;
    const parts = {
      qweight: { dtype: 'I32', shape: [5, 8], bytes: words(new Array<number>(40).fill(codes)) },
      qzeros: { dtype: 'I32', shape: [2, 1], bytes: words([0x88888888 | 0, 0x88888888 | 0]) },
      scales: {
        dtype: 'F32',
        shape: [2, 8],
        bytes: floats([...Array<number>(8).fill(1), ...Array<number>(8).fill(2)]),
      },
    };
    const gptq = { quant_method: 'gptq', bits: 4, group_size: 32, checkpoint_format: 'gptq_v2' };
    const { weights } = await opened(parts, gptq);
    expect(weights).toHaveLength(320);
    expect([...weights.subarray(0, 40)]).toEqual([...Array<number>(32).fill(1), ...Array<number>(8).fill(2)]);
    // Where a module has other bits than config.json states, its own parts tell.
    expect(await opened(parts, { ...gptq, bits: 8 })).toMatchObject({ tensor: { dtype: 'GPTQ v2 4-bit' } });
  });

  it('says nothing of columns whose group is −1: they are in order', async () => {
    const { weights } = await opened(packed(Array<number>(10).fill(-1)), inGroups);
    expect([...weights]).toEqual([...row(1, 2, 3), ...row(4, 5, 6)]);
    const reversed = [2, 2, 2, 2, 1, 1, 1, 1, 0, 0];
    expect([...(await opened(packed(reversed), inGroups)).weights.subarray(0, 10)]).toEqual(row(3, 2, 1));
  });

  it('is the size of blocks, of several kinds of matrices', async () => {
    const block = (height: number, width: number) => ({
      weights: { num_bits: 8, type: 'float', block_structure: [height, width] },
    });
    const codes = Buffer.alloc(24, 0x38); // 1 as E4M3
    const { weights, tensor } = await opened(
      {
        weight: { dtype: 'F8_E4M3', shape: [4, 6], bytes: codes },
        weight_scale: { dtype: 'F32', shape: [2, 2], bytes: floats([1, 2, 3, 4]) },
      },
      { config_groups: { group_0: block(128, 128), group_1: block(2, 3) } },
    );
    expect(tensor.dtype).toBe('FP8 E4M3 2×3');
    const rows = [1, 1, 1, 2, 2, 2];
    const below = rows.map((scale) => scale + 2);
    expect([...weights]).toEqual([...rows, ...rows, ...below, ...below]);
  });

  it('is noted where runtimes round inputs, keys and values, which decoded weights do not show', async () => {
    const { notes, warnings } = await opened(packed(), {
      config_groups: {
        group_0: { weights: arguments_, input_activations: { num_bits: 8, type: 'int', strategy: 'token' } },
      },
      kv_cache_scheme: { num_bits: 8, type: 'float' },
    });
    expect(notes).toEqual([
      'One matrix is stored quantized (packed int4): decoded weights are shown.',
      'Runtimes also round the inputs of these matrices to 8-bit integers; evaluations of this model do not.',
      'Runtimes also round keys and values to 8-bit floats (kv_cache_scheme); evaluations of this model do not.',
    ]);
    expect(warnings).toEqual([]);
    expect((await opened(packed(), inGroups)).notes).toHaveLength(1);
  });

  it('is a warning where weights are those of a transformed model', async () => {
    const transform_config = { config_groups: { u: { type: 'hadamard', apply: [] } } };
    const { warnings } = await opened(packed(), { ...inGroups, transform_config });
    expect(warnings).toEqual([
      'config.json names transforms of weights and inputs (transform_config), which are not applied: decoded weights are those of the transformed model.',
    ]);
    expect((await opened(packed(), { ...inGroups, transform_config: {} })).warnings).toEqual([]);
  });
});

describe('bitsandbytes weights of 4 bits', () => {
  /** Rows of five weights, blocks of 32 of them. */
  const [rows, columns] = [13, 5];
  const codes = Buffer.from(Array.from({ length: 33 }, (_, i) => (i * 37) & 255));
  const table = Array.from({ length: 16 }, (_, i) => i - 8);
  const state = (blocksize: number) =>
    Buffer.from(JSON.stringify({ quant_type: 'nf4', blocksize, shape: [rows, columns] }));
  const parts = (blocksize: number, scales: readonly number[]): Record<string, StoredBytes> => ({
    weight: { dtype: 'U8', shape: [33, 1], bytes: codes },
    'weight.absmax': { dtype: 'F32', shape: [scales.length], bytes: floats(scales) },
    'weight.quant_map': { dtype: 'F32', shape: [16], bytes: floats(table) },
    'weight.quant_state.bitsandbytes__nf4': {
      ...{ dtype: 'U8', shape: [state(blocksize).length], bytes: state(blocksize) },
    },
  });

  it('are decoded row by row, though blocks run over the ends of rows', async () => {
    const scales = [1, 10, 100];
    const expected = Array.from({ length: rows * columns }, (_, i) => {
      const byte = codes[i >> 1]!;
      return table[i % 2 === 0 ? byte >> 4 : byte & 15]! * scales[Math.floor(i / 32)]!;
    });
    const model = await openModel(checkpoint(new Map(Object.entries(parts(32, scales))), {}));
    const [tensor] = model.description.tensors;
    const found: number[] = [];
    for (let at = 0; at < rows * columns; at += columns)
      found.push(...new Float32Array((await model.read(tensor!, 4 * at, 4 * columns)).buffer));
    await model.close();
    expect(found).toEqual(expected);
  });

  it('have no larger blocks than the library, as they are decoded together', async () => {
    const { tensors, warnings } = await opened(parts(4097, [1]), {});
    expect(tensors).toHaveLength(4);
    expect(warnings[0]).toContain('does not describe its weights: they are shown as stored.');
  });
});
