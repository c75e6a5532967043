import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { openModel } from '../../../src/layouts/openModel';
import type { ModuleSpec } from '../../support/checkpointParts';
import { checkpoints } from '../../support/checkpoints';
import { dense, embeddingCheckpoints, module, pooled } from '../../support/embeddingCheckpoints';
import { temporaryFolder } from '../../support/files';
import { Call, Global, tensor, torchZip } from '../../support/torchFiles';
import { writeCheckpoint } from '../../support/writeCheckpoint';
import { keyValuesOf } from './support';

const root = temporaryFolder();
let folders = 0;

const pooling = (config: object): ModuleSpec[] => [
  module('Transformer', ''),
  module('Pooling', '1_Pooling', { config }),
  module('Normalize', '2_Normalize'),
];

/** The view of a checkpoint with these modules. */
async function viewWith(modules: readonly ModuleSpec[], name = 'llama without a head') {
  const folder = join(root, String(folders++));
  const spec = embeddingCheckpoints[name] ?? checkpoints[name]!;
  await writeCheckpoint(folder, { ...spec, modules });
  return { folder, ...(await viewOf(folder)) };
}

async function viewOf(folder: string) {
  const model = await openModel(folder);
  try {
    const { tensors, keyValues, notes } = await ggufView(model);
    const values = keyValuesOf({ keyValues } as Parameters<typeof keyValuesOf>[0]);
    return { names: tensors.map(({ name }) => name), values, notes, model: model.description };
  } finally {
    await model.close();
  }
}

describe('dense layers of an embedding model', () => {
  it('are read from pytorch_model.bin if there is no safetensors file, and its dangers are listed', async () => {
    const folder = join(root, 'torch-module');
    const spec = checkpoints['llama without a head']!;
    await writeCheckpoint(folder, { ...spec, modules: [...pooled('mean_tokens'), dense('2_Dense', 64, 2)] });
    rmSync(join(folder, '2_Dense', 'model.safetensors'));
    const weight = tensor('F32', [2, 64], new Float32Array(128));
    const evil = new Call(new Global('os', 'system'), 'id');
    writeFileSync(join(folder, '2_Dense', 'pytorch_model.bin'), torchZip({ 'linear.weight': weight, evil }));
    const { model } = await viewOf(folder);
    expect(model.tensors.at(-1)).toMatchObject({
      name: '2_Dense.linear.weight',
      dtype: 'F32',
      shape: [2, 64],
    });
    expect(model.dangers).toMatchObject([
      { file: join(folder, '2_Dense', 'pytorch_model.bin'), name: 'os.system' },
    ]);
  });
});

describe('pooling of an embedding model', () => {
  it.each([
    [{ pooling_mode_mean_tokens: true, pooling_mode_cls_token: false }, 1],
    [{ pooling_mode_cls_token: true, word_embedding_dimension: 64 }, 2],
    [{ pooling_mode_lasttoken: true, include_prompt: true }, 3],
    [{ pooling_mode: 'lasttoken' }, 3],
  ])('is %j by its module: %i', async (config, type) => {
    const { values, notes } = await viewWith(pooling(config));
    expect(values['llama.pooling_type']).toBe(type);
    expect(notes).toEqual([]);
  });

  it('is noted where GGUF does not express it, and so are other modules', async () => {
    const config = { pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true };
    const { values, notes } = await viewWith([...pooling(config), module('Dense', '3_Dense')]);
    expect(values).not.toHaveProperty(['llama.pooling_type']);
    expect(notes).toEqual([
      'modules.json lists "sentence_transformers.models.Dense", which GGUF cannot express for this architecture: embeddings are made without it.',
      'The pooling of this model (pooling_mode_mean_tokens and pooling_mode_max_tokens) cannot be expressed in GGUF: choose one when you run it.',
    ]);
  });

  it('is absent without a module for it', async () => {
    const { values, notes } = await viewWith([module('Transformer', '')]);
    expect(values).not.toHaveProperty(['llama.pooling_type']);
    expect(notes).toEqual([]);
  });

  it('is known to be missing in a model that only embeds', async () => {
    const { values, notes } = await viewWith([], 'EmbeddingGemma');
    expect(values['gemma-embedding.pooling_type']).toBe(0);
    expect(notes).toEqual([expect.stringMatching(/^The model has no pooling \(modules\.json/)]);
  });
});

describe('dense layers after the pooling', () => {
  const written =
    /^The dense layers after the pooling \(2_Dense, 3_Dense\) are written as dense_2 and dense_3/;

  it('belong to the model, and to the file of EmbeddingGemma', async () => {
    const { modules = [] } = embeddingCheckpoints['EmbeddingGemma']!;
    const { folder, names, values, notes, model } = await viewWith(modules, 'EmbeddingGemma');
    expect(names.slice(-2)).toEqual(['dense_2.weight', 'dense_3.weight']);
    expect(values).toMatchObject({
      'gemma-embedding.pooling_type': 1,
      'gemma-embedding.dense_2_feat_in': 64,
      'gemma-embedding.dense_2_feat_out': 160,
      'gemma-embedding.dense_3_feat_in': 160,
      'gemma-embedding.dense_3_feat_out': 64,
    });
    expect(notes).toEqual([expect.stringMatching(written)]);
    expect(model.tensors.slice(-2).map(({ name, file }) => [name, file])).toEqual([
      ['2_Dense.linear.weight', join(folder, '2_Dense', 'model.safetensors')],
      ['3_Dense.linear.weight', join(folder, '3_Dense', 'model.safetensors')],
    ]);
    expect(model.weightFiles).toEqual({ present: 1, total: 1 });
  });

  const two = (change: object, inner = 160) => [
    ...pooled('mean_tokens'),
    dense('2_Dense', 64, inner, change),
    dense('3_Dense', 160, 64),
  ];

  it.each([
    ['a bias', two({ bias: true })],
    ['an activation', two({ activation_function: 'torch.nn.modules.activation.Tanh' })],
    ['sizes that do not fit', two({}, 96)],
    ['one layer', two({}).slice(0, 3)],
    ['three layers', [...two({}), dense('4_Dense', 64, 64)]],
    ['layers before the pooling', [2, 1, 0, 3].map((i) => two({})[i]!)],
  ])('are left out with a note because of %s', async (_, modules) => {
    const { names, values, notes } = await viewWith(modules, 'EmbeddingGemma');
    expect(names.filter((name) => name.startsWith('dense'))).toEqual([]);
    expect(Object.keys(values).filter((key) => key.includes('dense'))).toEqual([]);
    expect(notes).toEqual([
      'The dense layers of modules.json are left out, and embeddings are made without them: llama.cpp applies exactly two, directly after the pooling, without bias and activation, from the hidden size to another and back.',
    ]);
  });

  it('are left out with a note where their weights are missing', async () => {
    const layers = two({}).map(({ type, path, config }) => ({ type, path, ...(config ? { config } : {}) }));
    const { names, notes } = await viewWith(layers, 'EmbeddingGemma');
    expect(names.filter((name) => name.startsWith('dense'))).toEqual([]);
    expect(notes).toEqual([
      'The dense layers of modules.json are left out, and embeddings are made without them: the checkpoint has no weights in 2_Dense with "linear.weight".',
    ]);
  });

  it('are left out with a note in other architectures', async () => {
    const { names, notes } = await viewWith(two({}));
    expect(names.filter((name) => name.startsWith('dense'))).toEqual([]);
    expect(notes).toEqual([expect.stringMatching(/are made without them\.$/)]);
  });
});

describe('a modules.json that cannot be used', () => {
  const broken = async (modules: unknown) => {
    const { folder } = await viewWith([]);
    writeFileSync(join(folder, 'modules.json'), JSON.stringify(modules));
    return folder;
  };

  it.each(['../1_Pooling', '/etc', 'a/b'])('does not lead outside the folder: %s', async (path) => {
    const folder = await broken([module('Pooling', path)]);
    await expect(viewOf(folder)).rejects.toThrow(/not a folder of this model.*modules\.json/);
  });

  it.each([[{}], [Array.from({ length: 65 }, () => module('Normalize', ''))]])(
    'does not keep the weights from being inspected',
    async (modules) => {
      const folder = await broken(modules);
      const model = await openModel(folder);
      expect(model.description.warnings).toEqual([
        expect.stringMatching(
          /^The modules of modules\.json cannot be used: The file (does not hold a list|lists 65)/,
        ),
      ]);
      await model.close();
      await expect(viewOf(folder)).rejects.toMatchObject({ code: 'MODEL_FILE' });
    },
  );
});
