import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { openModel } from '../../../src/layouts/openModel';
import { layoutNotes, quantizedLayoutOf } from '../../../src/model/quantizedLayout';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { checkpoint } from '../../support/layouts';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../../support/files';

const layoutOf = (tensors: readonly TensorDescriptor[], config?: Record<string, unknown>) =>
  quantizedLayoutOf({ tensors }, config);

async function opened(path: string) {
  const model = await openModel(path);
  await model.close();
  return model;
}

const tensor = (name: string, dtype: string, shape: readonly number[]): TensorDescriptor => ({
  ...{ name, dtype, shape, elements: shape.reduce((a, b) => a * b, 1), file: 'x', offset: 0 },
  ...{ byteLength: 1, readable: true },
});

/** Parts of one matrix of 256 × 128 under a module's name. */
const parts = (all: Readonly<Record<string, [string, number[]]>>): TensorDescriptor[] =>
  Object.entries(all).map(([end, [dtype, shape]]) =>
    tensor(`model.layers.0.mlp.up_proj.${end}`, dtype, shape),
  );

describe('the layout of quantized weights', () => {
  it.each([
    ['GPTQ', { qweight: ['I32', [16, 256]], qzeros: ['I32', [1, 32]], scales: ['F16', [1, 256]] }],
    ['AWQ', { qweight: ['I32', [128, 32]], qzeros: ['I32', [1, 32]], scales: ['F16', [1, 256]] }],
    ['MLX', { weight: ['U32', [256, 16]], scales: ['F16', [256, 2]], biases: ['F16', [256, 2]] }],
    [
      'ModelOpt NVFP4',
      { weight: ['U8', [256, 64]], weight_scale: ['F8_E4M3', [256, 8]], weight_scale_2: ['F32', []] },
    ],
    ['EETQ', { weight: ['I8', [128, 256]], weight_scales: ['F16', [256]] }],
    ['Marlin', { B: ['I32', [8, 512]], s: ['F16', [1, 256]] }],
    ['HQQ', { W_q: ['U8', [128, 128]], scale: ['F16', [1, 1]], zero: ['F16', [1, 1]] }],
    [
      'optimum-quanto int4 or int2',
      {
        'weight._data._data': ['U8', [128, 128]],
        'weight._scale': ['F16', [256, 1]],
        'weight._shift': ['F16', [256, 1]],
      },
    ],
    ['optimum-quanto', { 'weight._data': ['I8', [256, 128]], 'weight._scale': ['F16', [256, 1]] }],
  ] as [string, Record<string, [string, number[]]>][])('is %s by its tensors', (name, all) => {
    expect(layoutOf(parts(all))).toMatchObject({ name, tensors: 1 });
  });

  it('is described part by part, with what decoding would need', () => {
    const found = layoutOf([
      ...parts({ W_q: ['U8', [128, 128]], scale: ['F16', [256, 1]] }),
      tensor('model.norm.weight', 'F16', [128]),
    ]);
    expect(found).toEqual({
      ...{ name: 'HQQ', tensors: 1 },
      example: 'model.layers.0.mlp.up_proj.W_q U8 [128, 128]; model.layers.0.mlp.up_proj.scale F16 [256, 1]',
      expected: 'W_q, scale and zero with one number for each group, shape, nbits and axis',
    });
    expect(layoutNotes(found, undefined, true)).toEqual([
      'One matrix is stored quantized, in the layout HQQ: their codes and scales are shown. To be decoded they would need ' +
        'W_q, scale and zero with one number for each group, shape, nbits and axis. The first one has ' +
        'model.layers.0.mlp.up_proj.W_q U8 [128, 128]; model.layers.0.mlp.up_proj.scale F16 [256, 1].',
    ]);
  });

  it.each([
    [
      'foo',
      { codes_of_foo: ['U8', [256, 64]], steps: ['F16', [256, 1]] },
      'unknown (foo)',
      'To be decoded they would need the tensors of a layout that is known (docs/LAYOUTS.md).',
    ],
    [
      'spqr',
      { dense_weights: ['I32', [16, 128]], row_offsets: ['I32', [257]], col_vals: ['I32', [900]] },
      'unknown (spqr)',
      'To be decoded they would need the tensors of a layout that is known (docs/LAYOUTS.md).',
    ],
    [
      'vptq',
      { 'centroids.weight': ['F16', [1, 65536]], indices: ['I16', [1, 64, 128]] },
      'VPTQ',
      'The layout is not decoded.',
    ],
    [
      'aqlm',
      { codebooks: ['F16', [1, 65536, 1, 8]], codes: ['I16', [256, 16, 1]], scales: ['F16', [256, 1]] },
      'AQLM',
      'The layout is not decoded.',
    ],
  ] as [string, Record<string, [string, number[]]>, string, string][])(
    'of the method %s is listed part by part',
    async (method, all, layout, needed) => {
      const stored = new Map(
        Object.entries(all).map(([end, [dtype, shape]]) => {
          const size = Number(/\d+/.exec(dtype)![0]) / 8;
          const bytes = Buffer.alloc(size * shape.reduce((a, b) => a * b, 1));
          return [end, { dtype, shape, bytes }] as const;
        }),
      );
      const { description } = await opened(
        checkpoint(stored, { quantization_config: { quant_method: method } }),
      );
      const listed = Object.entries(all).map(
        ([end, [dtype, shape]]) => `layer.${end} ${dtype} [${shape.join(', ')}]`,
      );
      expect(description.tensors.map(({ name }) => name).sort()).toEqual(
        [...stored.keys()].map((end) => `layer.${end}`).sort(),
      );
      const [note] = description.notes;
      expect(note).toContain(`One matrix is stored quantized, in the layout ${layout}: their codes`);
      expect(note).toContain(needed);
      for (const part of listed) expect(note).toContain(part);
    },
  );

  it('of optimum-quanto int4 is described with what its files lack', () => {
    const found = layoutOf(
      parts({
        'weight._data._data': ['U8', [128, 128]],
        'weight._scale': ['F16', [256, 1]],
        'weight._shift': ['F16', [256, 1]],
      }),
    );
    const [note] = layoutNotes(found, undefined, true);
    expect(note).toContain(
      'would need the shape of each weight and the size of its groups, which the library does not write to the file',
    );
    expect(note).toContain('up_proj.weight._data._data U8 [128, 128]');
  });

  it('is not unknown for masks and positions next to plain weights', () => {
    const config = { quantization_config: { quant_method: 'foo' } };
    const plain = [
      tensor('h.0.attn.bias', 'U8', [1, 1, 64, 64]),
      tensor('h.0.attn.c_attn.weight', 'F32', [64, 192]),
    ];
    expect(layoutOf(plain, config)).toBeUndefined();
  });

  it.each([
    ['plain weights', parts({ weight: ['BF16', [256, 128]], bias: ['BF16', [256]] })],
    ['FP8 weights without scales', parts({ weight: ['F8_E4M3', [256, 128]] })],
    ['scales of another module', [tensor('scales', 'F16', [4]), tensor('a.weight', 'F16', [4, 4])]],
  ])('is none for %s', (_, tensors) => {
    expect(layoutOf(tensors)).toBeUndefined();
  });

  it('is not taken from a configuration next to plain weights', async () => {
    const folder = join(temporaryFolder(), 'unpacked');
    cpSync(sampleFolder, folder, { recursive: true });
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    for (const [stated, note] of [
      [
        { quant_method: 'bitsandbytes' },
        'config.json names a quantization (bitsandbytes), but all weights are plain: it is ignored.',
      ],
      [{}, 'config.json names a quantization, but all weights are plain: it is ignored.'],
    ] as const) {
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, quantization_config: stated }));
      const model = await opened(folder);
      expect(model.description.quantizedLayout).toBeUndefined();
      expect(model.description.notes).toEqual([note]);
      expect((await ggufView(model)).architecture).toBe('llama');
    }
  });
});

describe.skipIf(!hasSharedData)('checkpoints of quantizing libraries', () => {
  const reference = join(sharedData, 'reference');
  it.each([
    ['autoawq/folders/gemm-4bit-g128-rtn', 'AWQ 4-bit', 14],
    ['bitsandbytes/folders/llm-int8', 'LLM.int8', 14],
    ['bitsandbytes/folders/nf4', 'bnb NF4', 14],
    ['bitsandbytes/folders/nf4-double-quant', 'bnb NF4 double', 14],
    ['bitsandbytes/folders/nf4-storage-bf16', 'bnb NF4', 14],
    ['compressed-tensors/folders/FP8_BLOCK', 'FP8 E4M3 128×128', 7],
    ['compressed-tensors/folders/FP8_DYNAMIC', 'FP8 E4M3', 14],
    ['compressed-tensors/folders/MXFP4A16', 'MXFP4 blocks', 14],
    ['compressed-tensors/folders/NVFP4A16', 'NVFP4 blocks', 14],
    ['compressed-tensors/folders/W3A16', 'packed int3', 14],
    ['compressed-tensors/folders/W4A16_ASYM', 'packed int4', 14],
    ['compressed-tensors/folders/W8A8', 'INT8', 14],
    ['gptqmodel/folders/gptq-3bit-g32-sym', 'GPTQ 3-bit', 14],
    ['gptqmodel/folders/gptq_v2-4bit-g32-asym', 'GPTQ v2 4-bit', 14],
    ['torchao/folders/int8wo', 'INT8', 14],
    ['transformers-fp8/folders/fp8-block128', 'FP8 E4M3 128×128', 7],
    ['transformers-mxfp4/folders/gpt-oss-tiny-mxfp4', 'MXFP4 blocks', 2],
  ])('%s has weights in %s', async (folder, dtype, count) => {
    const { description } = await opened(join(reference, folder));
    expect(description.quantizedLayout).toBeUndefined();
    expect(description.notes).toContain(
      `${count} matrices are stored quantized (${dtype}): decoded weights are shown.`,
    );
    expect(description.tensors.filter((tensor) => tensor.dtype === dtype)).toHaveLength(count);
  });

  it.each(['tiny-llama', 'tiny-llama-256'])('base/%s is plain', async (name) => {
    const { description } = await opened(join(reference, 'base', name));
    expect(description.quantizedLayout).toBeUndefined();
    expect(description.notes.filter((note) => note.includes('quant'))).toEqual([]);
  });

  it.each([
    ['molmo7b-bnb-nf4', 'bitsandbytes NF4'],
    ['qwen-vl-chat-gptq-int4', 'GPTQ'],
    ['mixtral-8x22b-wizardlm2', undefined],
  ])('the index of %s says so without its shards', async (name, layout) => {
    const folder = join(sharedData, 'index', name);
    expect(existsSync(folder)).toBe(true);
    expect((await opened(folder)).description.quantizedLayout?.name).toBe(layout);
  });
});
