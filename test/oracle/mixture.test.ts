import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggufView } from '../../src/architectures/ggufView';
import { architectureOf } from '../../src/exporter/plan/architecture';
import { fileTypeNamed, fileTypes, needsImportance, type FileType } from '../../src/exporter/plan/fileTypes';
import { isMixed } from '../../src/exporter/plan/mixed';
import { mixTypes, type MixtureOptions } from '../../src/exporter/plan/mixture';
import { ggmlType, ggmlTypeName } from '../../src/model/dtypes';
import { openModel } from '../../src/layouts/openModel';
import { temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp, type DescribedModel, type QuantizeOptions } from '../support/llamaCpp';
import { llamaBlock, realModel, realModels, writeHollowGguf, type RealModel } from '../support/realModels';

const folder = temporaryFolder();
const idOf = (type: string): number => ggmlType(type)!.id;

/** What llama.cpp gets for our options. */
function oracleOptions(options: MixtureOptions): QuantizeOptions {
  const { pure, leaveOutput, outputType, tokenEmbeddingType, tensorTypes, hasImportance } = options;
  return {
    ...(pure === undefined ? {} : { pure }),
    ...(leaveOutput === undefined ? {} : { leaveOutput }),
    ...(outputType === undefined ? {} : { outputType: idOf(outputType) }),
    ...(tokenEmbeddingType === undefined ? {} : { embeddingType: idOf(tokenEmbeddingType) }),
    ...(tensorTypes
      ? { tensorTypes: tensorTypes.map(({ pattern, type }) => ({ pattern, type: idOf(type) })) }
      : {}),
    ...(hasImportance ? { imatrix: { 'any.weight': 'AACAPw==' } } : {}),
  };
}

const someRules = [
  { pattern: '\\.[0-2]\\.ffn_down', type: 'Q6_K' }, // of some layers only: others are counted as if these were not there
  { pattern: 'attn_v.*weight|attn_(k|qkv)\\.', type: 'IQ4_XS' },
  { pattern: 'ffn_down', type: 'IQ4_NL' },
  { pattern: '^blk\\.1?[135]\\.ffn_(up|gate)', type: 'F16' },
];

const optionSets: Readonly<Record<string, MixtureOptions>> = {
  'no options': {},
  pure: { pure: true },
  'the output left as it is': { leaveOutput: true },
  'types of output and embedding': { outputType: 'IQ4_XS', tokenEmbeddingType: 'Q3_K' },
  'an output type': { outputType: 'Q5_K' },
  'some rules': { tensorTypes: [someRules[0]!, { pattern: 'blk\\.[37]\\.attn_v', type: 'Q8_0' }] },
  'more rules': { tensorTypes: someRules, outputType: 'Q5_0' },
  'rules and pure': { tensorTypes: someRules.slice(1), pure: true, tokenEmbeddingType: 'BF16' },
};

const needingRules = ['IQ2_S', 'Q2_K'].map((type) => ({ tensorTypes: [{ pattern: '3\\.ffn_up', type }] }));
const needingEnds = { outputType: 'IQ3_XXS', tokenEmbeddingType: 'IQ2_S' };

/** Options, by file type, with types that need an importance matrix, or would if they were not those of output and embedding. */
const needing: Readonly<Record<string, readonly MixtureOptions[]>> = {
  Q4_K_M: [...needingRules, needingEnds],
  Q2_K_S: [...needingRules, { ...needingEnds, pure: true }],
};

/** All, except Q1_0 where its block size does not divide the row length: llama.cpp has no fallback and reports an error. */
function fileTypesFor({ tensors }: RealModel): readonly FileType[] {
  const whole = tensors.every(({ shape }) => shape.length < 2 || shape[shape.length - 1]! % 128 === 0);
  return fileTypes.filter(({ name }) => whole || name !== 'Q1_0');
}

/** `Q4_K` for each tensor; what `types` does not list has the type of the source. */
function listed({ tensors }: RealModel, types: ReturnType<typeof mixTypes>, vectors: string): string[] {
  return tensors.map(({ name, shape }) => {
    const type = types.get(name)?.type ?? (shape.length > 1 ? 'F16' : vectors);
    return `${name} ${type}`;
  });
}

function described({ architecture, tensors }: RealModel): DescribedModel {
  const { name, blocks, heads, kvHeads, experts } = architecture;
  return {
    description: {
      ...{ architecture: name, n_embd: 1, n_ff: 1, n_layer: blocks, n_head: heads, n_head_kv: kvHeads },
      ...{ n_expert: experts, n_embd_head_k: 1, n_embd_head_v: 1 },
    },
    tensors,
  };
}

const shapesToCount = [
  [256],
  [1, 256],
  [2, 256],
  [256, 1],
  [2, 1, 256],
  [1, 2, 256],
  [3, 1, 1, 256],
  [1, 1, 1, 256],
];

const inBlock = (...parts: readonly string[]): string[] => parts.map((part) => `blk.0.${part}.weight`);

/** Names that are kept, others that look like them, and the usual ones. */
const questionableNames = [
  ...['a.weight', 'weight', 'aweight', 'a.weights', 'a.bias', 'a.weight.scale', 'weight.x.weight'],
  ...['output.weight', 'token_embd.weight', 'per_layer_token_embd.weight', 'output_norm.weight'],
  ...['position_embd.weight', 'token_types.weight', 'x.token_types.weight', 'token_types.weight.weight'],
  ...['per_layer_model_proj.weight', 'per_layer_proj.weight', 'altup_proj.weight', 'cls.weight'],
  ...inBlock('attn_norm', 'attn_q_norm', 'norm', 'attn_norm_2', 'attn_q', 'attn_kv_a_mqa', 'nextn.eh_proj'),
  ...inBlock(
    'ffn_gate_inp',
    'ffn_gate_inp_shexp',
    'ffn_gate_tid2eid',
    'ffn_gate',
    'altup_router',
    'laurel_l',
  ),
  ...inBlock('ssm_conv1d', 'ssm_conv1d_q', 'ssm_in', 'ssm_x', 'shortconv.conv', 'shortconv.in_proj'),
  ...inBlock('indexer.k_proj', 'indexer.q_proj', 'indexer.proj', 'indexer.attn_k', 'indexer_compressor_kv'),
  ...inBlock(
    ...['first', 'w0', 'w1', 'w2', 'v0', 'v1', 'v2', 'a0', 'a1', 'a2', 'g0', 'g1', 'g2', 'decay', 'decay_w1']
      .concat('decay_w2', 'lerp_fused', 'lerp_w', 'lerp_x', 'key', 'value', 'receptance', 'gate', 'output')
      .map((part) => `time_mix_${part}`),
  ),
  ...inBlock('attn_rel_b', 'cross_attn_rel_b', 'attn_rel_b_2', 'attn_rel', 'channel_mix_key'),
  ...['v.position_embd.weight', 'v.patch_embd.weight', 'v.patch_embd.0.weight', 'mm.patch_merger.weight'],
  ...['sam.pos_embd.weight', 'v.sam.neck.0.weight', 'v.sam.net_2.weight', 'v.sam.blk.0.attn.weight'],
  ...['v.sam.blk.0.attn.rel_pos_h.weight', 'v.blk.0.attn_q.weight', 'mm.0.weight', 'mm.model.fc.weight'],
  ...['a.rvq.codebook.weight', 'a.rvq.codebook.3.weight', 'mm.a.code_embd.weight', 'a.conv1d.1.weight'],
  ...['dec.blk.0.attn_rel_b.weight', 'enc.blk.0.attn_q.weight', 'conv1d.weight', 'posnet.0.conv1.weight'],
];

describe.skipIf(!hasOracle)('mixtures of real models', () => {
  // The mock model takes only those of architecture "llama" for 70B models; loaded ones are below.
  const mocked = Object.entries(realModels).filter(
    ([
      ,
      {
        architecture: { name, blocks },
      },
    ]) => name === 'llama' || blocks < 68,
  );

  it.each(mocked)('has the types of a mock model of llama.cpp for %s, with all options', async (_, model) => {
    const cases = Object.entries(optionSets).flatMap(([what, options]) =>
      fileTypesFor(model).map((fileType) => ({ what: `${fileType.name}, ${what}`, fileType, options })),
    );
    const runs = cases.map(({ fileType, options }) => ({
      fileType: fileType.id,
      options: oracleOptions(options),
    }));
    const { types } = await llamaCpp('types', { model: described(model), runs });
    for (const [index, { what, fileType, options }] of cases.entries()) {
      const ours = mixTypes(model.tensors, fileType, model.architecture, options);
      const theirs = model.tensors.map(({ name }, i) => `${name} ${ggmlTypeName(types[index]![i]!)}`);
      expect(listed(model, ours, 'F16'), what).toEqual(theirs);
    }
  });

  it.each(Object.entries(realModels))(
    'has the types and the order of llama_model_quantize for %s, with and without an importance matrix',
    async (_, model) => {
      const path = join(folder, 'hollow.gguf');
      await writeHollowGguf(path, model);
      const opened = await openModel(path);
      await opened.close();
      const architecture = architectureOf(await ggufView(opened));
      expect(architecture).toEqual(model.architecture);
      const cases = fileTypesFor(model).flatMap((fileType) =>
        [{}, { hasImportance: true }, ...(needing[fileType.name] ?? [])].map((options) => ({
          fileType,
          options,
        })),
      );
      const { results } = await llamaCpp('dryRun', {
        runs: cases.map(({ fileType, options }) => ({
          from: path,
          fileType: fileType.id,
          options: oracleOptions(options),
        })),
      });
      for (const [index, { fileType, options }] of cases.entries()) {
        const ours = mixTypes(model.tensors, fileType, architecture, options);
        const { types, needsImportance: refused } = results[index]!;
        const what = `${fileType.name} ${JSON.stringify(options)}`;
        expect(listed(model, ours, 'F32'), what).toEqual(types.map(([name, type]) => `${name} ${type}`));
        const bare = [...ours].filter(([name, { type }]) => needsImportance(type, name, fileType.name));
        if (!options.hasImportance) expect(bare.length > 0, what).toBe(refused);
      }
      rmSync(path);
    },
  );

  it('regards the same models as 70B models', async () => {
    const of = (name: string, blocks: number, kvHeads: number): RealModel => {
      const numbers = { name, blocks, kvHeads, hidden: 1024, wide: 1024, heads: 8, vocabulary: 32 };
      return realModel(numbers, llamaBlock);
    };
    const architectures = ['llama', 'llama-embed', 'qwen2', 'deci', 'olmo', 'jais2', 'mistral3', 'qwen3'];
    const models = architectures.flatMap((name) =>
      [68, 79, 80].flatMap((blocks) => [2, 8].map((kvHeads) => of(name, blocks, kvHeads))),
    );
    const fileType = fileTypeNamed('Q4_K_S');
    const runs = models.map((_, index) => ({
      from: join(folder, `hollow-${index}.gguf`),
      fileType: fileType.id,
    }));
    for (const [index, { from }] of runs.entries()) await writeHollowGguf(from, models[index]!);
    const { results } = await llamaCpp('dryRun', { runs });
    for (const [index, model] of models.entries()) {
      const ours = mixTypes(model.tensors, fileType, model.architecture);
      const theirs = results[index]!.types.map(([name, type]) => `${name} ${type}`);
      expect(listed(model, ours, 'F32'), JSON.stringify(model.architecture)).toEqual(theirs);
    }
  });

  it('tells experts from other merged matrices', async () => {
    const tensors = Object.entries({
      'output.weight': [8, 256],
      'token_embd.weight': [8, 256],
      'blk.0.attn_kv_b.weight': [4, 8, 256],
      'blk.0.ffn_down_exps.weight': [4, 8, 256],
      'blk.0.ffn_up_exps.weight': [4, 8, 250],
      'blk.0.other.weight': [2, 1, 8, 256],
    }).map(([name, shape]) => ({ name, shape }));
    const fileType = fileTypeNamed('MXFP4_MOE');
    for (const name of ['llama', 'bailingmoe3']) {
      const architecture = { name, blocks: 1, heads: 4, kvHeads: 4, experts: 4 };
      const model = { architecture, tensors, keyValues: [] };
      const run = { model: described(model), runs: [{ fileType: fileType.id }] };
      const { types } = await llamaCpp('types', run);
      const ours = mixTypes(tensors, fileType, architecture);
      expect(tensors.map((tensor) => ours.get(tensor.name)?.type)).toEqual(types[0]!.map(ggmlTypeName));
    }
  });

  it('leaves the same tensors alone', async () => {
    const tensors = questionableNames.flatMap((name) =>
      (name === 'a.weight' ? shapesToCount : [[8, 256]]).map((shape) => ({ name, shape })),
    );
    for (const name of ['llama', 'bert', 'gemma3n', 'rwkv7', 't5']) {
      const architecture = { name, blocks: 1, heads: 4, kvHeads: 4, experts: 0 };
      const { allowed } = await llamaCpp('allowed', {
        model: described({ architecture, tensors, keyValues: [] }),
      });
      const ours = tensors.filter(isMixed).map(({ name, shape }) => `${name} ${shape.join()}`);
      const theirs = tensors.filter((_, i) => allowed[i]).map(({ name, shape }) => `${name} ${shape.join()}`);
      expect(ours, name).toEqual(theirs);
    }
  });
});
