import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import {
  blockRules,
  outerParts,
  partRules,
  rmsEpsilon,
  tiedOutput,
  usualIgnored,
  type Decoder,
  type Part,
} from './decoder';
import { readExperts, type Experts } from './deepseekExperts';
import type { ArchitectureDescription, RowRange, TensorRule } from './description';
import { expertParts, usualExpertNames } from './experts';
import { f32, u32 } from './keyValues';
import { readRope, ropeKeyValues, ropeParameters, yarnMagnitude, type Rope } from './rope';

/**
 * DeepSeek V2 and V3: attention over a compressed key and value (MLA, DeepSeek-AI 2024), and experts after some dense blocks.
 * llama.cpp multiplies queries by the decompression of keys, so that matrix is cut off and transposed for each head; both it
 * and transformers rotate neighbouring pairs. Layers that predict further tokens are left out.
 */
export const deepseek2: ArchitectureDescription = {
  name: 'deepseek2',
  family: 'DeepSeek V2, V3, R1',
  remark: 'with groups of experts (V2, 236B) llama.cpp picks a few experts differently',
  classes: { DeepseekV2ForCausalLM: 'deepseek_v2', DeepseekV3ForCausalLM: 'deepseek_v3' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expect('mlp_bias', false, false);
    config.expect('rope_interleave', true, true);
    config.known('num_key_value_heads', 'head_dim', 'qk_head_dim', 'n_group', 'topk_group');
    const third = config.isOf('DeepseekV3ForCausalLM', 'deepseek_v3');
    const model = readModel(config, third ? thirdDefaults : secondDefaults);
    const experts = readExperts(config, third);
    return {
      prefixes: ['model.'],
      ignored: [...usualIgnored, ...furtherLayers(config, model.blocks, third)],
      ...tiedOutput(model),
      keyValues: [...modelKeyValues(model), rmsEpsilon(config), ...experts.keyValues],
      tensors: [
        ...partRules(outerParts(model)),
        blockRules('layers', model.blocks, (block) => [
          { from: 'input_layernorm', to: 'attn_norm', shape: [model.hiddenSize] },
          ...latentParts(model),
          { from: 'post_attention_layernorm', to: 'ffn_norm', shape: [model.hiddenSize] },
          ...(block < experts.denseBlocks
            ? feedForwardParts(model, model.feedForwardSize, 'mlp', '')
            : mixtureParts(model, experts)),
        ]),
        ...(experts.biased ? biasRules(model, experts) : []),
      ],
    };
  },
};

/** Sizes of the attention: a head has `plain` dimensions without position and `rotated` ones with. */
interface Latent {
  /** Rank that queries are compressed to; 0 for none. */
  readonly queryRank: number;
  readonly rank: number;
  readonly plain: number;
  readonly rotated: number;
  readonly valueSize: number;
}

interface Model extends Pick<Decoder, 'blocks' | 'hiddenSize' | 'feedForwardSize' | 'heads' | 'tied'> {
  readonly contextLength: number;
  readonly vocabulary: number;
  readonly latent: Latent;
  readonly rope: Rope;
  readonly ropeKeyValues: readonly KeyValue[];
}

/** Defaults of transformers' classes for what config.json leaves out. */
const secondDefaults = {
  vocabulary: 32000,
  hiddenSize: 4096,
  feedForwardSize: 11008,
  blocks: 32,
  heads: 32,
  contextLength: 2048,
};
const thirdDefaults: typeof secondDefaults = {
  vocabulary: 129280,
  hiddenSize: 7168,
  feedForwardSize: 18432,
  blocks: 61,
  heads: 128,
  contextLength: 4096,
};

function readModel(config: ConfigReader, defaults: typeof secondDefaults): Model {
  const latent: Latent = {
    queryRank: config.isNull('q_lora_rank') ? 0 : config.integer('q_lora_rank', 1536),
    rank: config.integer('kv_lora_rank', 512),
    plain: config.integer('qk_nope_head_dim', 128),
    rotated: config.integer('qk_rope_head_dim', 64, 2),
    valueSize: config.integer('v_head_dim', 128),
  };
  const blocks = config.layers('num_hidden_layers', defaults.blocks);
  const vocabulary = config.integer('vocab_size', defaults.vocabulary);
  refuseLite(config, latent, blocks, vocabulary);
  const contextLength = config.integer('max_position_embeddings', defaults.contextLength);
  const rope = readRope(config, latent.rotated, contextLength);
  return {
    blocks,
    hiddenSize: config.integer('hidden_size', defaults.hiddenSize),
    feedForwardSize: config.integer('intermediate_size', defaults.feedForwardSize),
    heads: config.count('num_attention_heads', defaults.heads),
    tied: config.tied(false),
    contextLength,
    vocabulary,
    latent,
    rope,
    ropeKeyValues: [...ropeKeyValues(withUsualMagnitude(rope)), ...scaleKeyValues(config, rope)],
  };
}

/** llama.cpp recognizes models without compressed queries by their number of blocks and looks for none there. */
function refuseLite(config: ConfigReader, { queryRank }: Latent, blocks: number, vocabulary: number): void {
  const lite = blocks === 26 || blocks === 27 || (blocks === 48 && vocabulary === 128256);
  if (!lite || queryRank === 0) return;
  throw config.unsupported(
    `"q_lora_rank" is ${queryRank} with ${blocks} blocks; llama.cpp assumes that a model of that many blocks has no compressed queries.`,
  );
}

/**
 * The logarithmic factor of attention scores under YaRN. llama.cpp has one number where DeepSeek has two, and also applies
 * a factor to scores under linear scaling.
 */
function scaleKeyValues(config: ConfigReader, { scaling }: Rope): KeyValue[] {
  if (scaling.kind === 'none') return [];
  const parameters = ropeParameters(config);
  if (scaling.kind !== 'yarn' || !parameters)
    throw config.unsupported(
      `Rope scaling of type ${JSON.stringify(scaling.kind)} cannot be exported for this architecture; only yarn is supported.`,
    );
  const all = parameters.numberUnlessZero('mscale_all_dim');
  if (all === undefined)
    throw config.unsupported(
      'YaRN without "mscale_all_dim" cannot be exported for this architecture; llama.cpp would change the scale of attention scores.',
    );
  parameters.expect('mscale', 1, all);
  parameters.expect('attention_factor', null, null);
  return [f32('rope.scaling.yarn_log_multiplier', 0.1 * all)];
}

/** llama.cpp derives the magnitude of this architecture from the logarithmic factor. */
const withUsualMagnitude = ({ theta, scaling }: Rope): Rope => ({
  theta,
  scaling: scaling.kind === 'yarn' ? { ...scaling, magnitude: yarnMagnitude(scaling.factor) } : scaling,
});

function modelKeyValues(model: Model): KeyValue[] {
  const { queryRank, rank, plain, rotated, valueSize } = model.latent;
  return [
    u32('vocab_size', model.vocabulary),
    u32('context_length', model.contextLength),
    u32('embedding_length', model.hiddenSize),
    u32('block_count', model.blocks),
    u32('feed_forward_length', model.feedForwardSize),
    u32('attention.head_count', model.heads),
    // All heads attend to the one compressed key and value.
    u32('attention.head_count_kv', 1),
    u32('attention.q_lora_rank', queryRank),
    u32('attention.kv_lora_rank', rank),
    u32('attention.key_length', rank + rotated),
    u32('attention.value_length', rank),
    u32('attention.key_length_mla', plain + rotated),
    u32('attention.value_length_mla', valueSize),
    u32('rope.dimension_count', rotated),
    ...model.ropeKeyValues,
  ];
}

function latentParts({ hiddenSize, heads, latent }: Model): Part[] {
  const { queryRank, rank, plain, rotated, valueSize } = latent;
  const querySize = heads * (plain + rotated);
  const queries: Part[] =
    queryRank === 0
      ? [{ from: 'self_attn.q_proj', to: 'attn_q', shape: [querySize, hiddenSize] }]
      : [
          { from: 'self_attn.q_a_proj', to: 'attn_q_a', shape: [queryRank, hiddenSize] },
          { from: 'self_attn.q_a_layernorm', to: 'attn_q_a_norm', shape: [queryRank] },
          { from: 'self_attn.q_b_proj', to: 'attn_q_b', shape: [querySize, queryRank] },
        ];
  const sourceShape = [heads * (plain + valueSize), rank];
  /** Rows of one kind of every head of [heads, plain + valueSize]. */
  const rows = (offset: number, count: number): RowRange[] =>
    Array.from({ length: heads }, (_, head) => ({ first: head * (plain + valueSize) + offset, count }));
  return [
    ...queries,
    {
      from: 'self_attn.kv_a_proj_with_mqa',
      to: 'attn_kv_a_mqa',
      shape: [rank + rotated, hiddenSize],
    },
    { from: 'self_attn.kv_a_layernorm', to: 'attn_kv_a_norm', shape: [rank] },
    {
      from: 'self_attn.kv_b_proj',
      to: 'attn_k_b',
      shape: [heads, rank, plain],
      rule: { sourceShape, rows: rows(0, plain), unit: { rows: plain, order: 'transpose' } },
    },
    {
      from: 'self_attn.kv_b_proj',
      to: 'attn_v_b',
      shape: [heads, valueSize, rank],
      rule: { sourceShape, rows: rows(plain, valueSize) },
    },
    { from: 'self_attn.o_proj', to: 'attn_output', shape: [hiddenSize, heads * valueSize] },
  ];
}

const feedForwardParts = ({ hiddenSize }: Model, size: number, from: string, suffix: string): Part[] => [
  { from: `${from}.gate_proj`, to: `ffn_gate${suffix}`, shape: [size, hiddenSize] },
  { from: `${from}.up_proj`, to: `ffn_up${suffix}`, shape: [size, hiddenSize] },
  { from: `${from}.down_proj`, to: `ffn_down${suffix}`, shape: [hiddenSize, size] },
];

function mixtureParts(model: Model, { count, size, shared }: Experts): Part[] {
  const { hiddenSize } = model;
  return [
    { from: 'mlp.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
    ...expertParts({ count, size, hiddenSize }, usualExpertNames),
    ...feedForwardParts(model, shared * size, 'mlp.shared_experts', '_shexp'),
  ];
}

/** What is added to the scores of experts before the best are chosen. */
const biasRules = ({ blocks }: Model, { count, denseBlocks }: Experts): TensorRule[] =>
  Array.from({ length: Math.max(0, blocks - denseBlocks) }, (_, index) => ({
    to: `blk.${denseBlocks + index}.exp_probs_b.bias`,
    from: [`layers.${denseBlocks + index}.mlp.gate.e_score_correction_bias`],
    shape: [count],
  }));

/** Names of the layers after the last, which predict further tokens. */
function furtherLayers(config: ConfigReader, blocks: number, third: boolean): RegExp[] {
  const count = config.layers('num_nextn_predict_layers', third ? 1 : 0, 0);
  if (count === 0) return [];
  const numbers = Array.from({ length: count }, (_, index) => blocks + index);
  return [new RegExp(`^layers\\.(${numbers.join('|')})\\.`)];
}
