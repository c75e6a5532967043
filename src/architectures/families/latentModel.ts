import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { rmsEpsilon, type Decoder } from '../decoder';
import { outerParts, tiedOutput, usualIgnored, feedForwardParts } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import { biasRules, furtherLayers, mixtureParts, readExperts, type MixtureClass } from './deepseekExperts';
import type { Conversion, RowRange } from '../description';
import { f32, u32 } from '../keyValues';
import {
  readRope,
  ropeKeyValues,
  ropeKind,
  ropeParameters,
  withUsualRamp,
  yarnMagnitude,
  type Rope,
} from '../rope';
import { said } from '../../protocol/said';

/** What a description adds to latent attention. */
interface Additions {
  readonly keyValues?: readonly KeyValue[];
  /** Further parts of a block. */
  readonly parts?: readonly Part[];
}

/**
 * A decoder with latent attention, and experts after some dense blocks.
 * @throws QuantscopeError UNSUPPORTED for what GGUF cannot express, MODEL_FILE for missing or impossible numbers.
 */
export function convertLatent(
  config: ConfigReader,
  kind: keyof typeof defaultsOf,
  additions: (sizes: LatentSizes) => Additions = () => ({}),
): Conversion {
  config.expect('hidden_act', 'silu', 'silu');
  config.expect('attention_bias', false, false);
  config.expect('mlp_bias', false, false);
  config.expect('rope_interleave', true, true);
  config.known('num_key_value_heads', 'head_dim', 'qk_head_dim', 'n_group', 'topk_group');
  const model = readModel(config, defaultsOf[kind]);
  const experts = readExperts(config, kind);
  const { keyValues = [], parts = [] } = additions({ ...model, ...model.latent });
  return {
    prefixes: ['model.'],
    ignored: [...usualIgnored, ...furtherLayers(config, model.blocks, kind === 'deepseek_v3' ? 1 : 0)],
    ...tiedOutput(model),
    ...(model.divisors ? { divisors: model.divisors, notes: [rampNote] } : {}),
    keyValues: [
      ...modelKeyValues(model),
      rmsEpsilon(config, kind === 'glm4_moe_lite' ? 1e-5 : 1e-6),
      ...experts.keyValues,
      ...keyValues,
    ],
    tensors: [
      ...partRules(outerParts(model)),
      blockRules('layers', model.blocks, (block) => [
        { from: 'input_layernorm', to: 'attn_norm', shape: [model.hiddenSize] },
        ...latentParts(model),
        ...parts,
        { from: 'post_attention_layernorm', to: 'ffn_norm', shape: [model.hiddenSize] },
        ...(block < experts.denseBlocks
          ? feedForwardParts(model.hiddenSize, model.feedForwardSize, 'mlp', '')
          : mixtureParts(model.hiddenSize, experts)),
      ]),
      ...(experts.biased ? biasRules(model.blocks, experts) : []),
    ],
  };
}

/** Sizes that further parts of a block depend on. */
export type LatentSizes = Pick<Model, 'hiddenSize'> & Pick<Latent, 'queryRank' | 'rotated'>;

const rampNote =
  'YaRN begins and ends at other frequencies ("beta_fast", "beta_slow", "truncate") than those that llama.cpp has built in for this architecture: its rotary frequencies differ from those of transformers.';

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
  /** What llama.cpp's rotary frequencies are divided by in transformers, where its ramp is another. */
  readonly divisors?: Float32Array | undefined;
  readonly ropeKeyValues: readonly KeyValue[];
}

interface Defaults {
  readonly vocabulary: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly blocks: number;
  readonly heads: number;
  readonly contextLength: number;
  readonly queryRank: number;
  readonly plain: number;
  readonly valueSize: number;
}

const usualSizes = { queryRank: 1536, plain: 128, valueSize: 128 };

/** Defaults of transformers' classes for what config.json leaves out. */
const defaultsOf = {
  deepseek_v2: {
    ...{ vocabulary: 32000, hiddenSize: 4096, feedForwardSize: 11008, blocks: 32, heads: 32 },
    ...{ contextLength: 2048, ...usualSizes },
  },
  deepseek_v3: {
    ...{ vocabulary: 129280, hiddenSize: 7168, feedForwardSize: 18432, blocks: 61, heads: 128 },
    ...{ contextLength: 4096, ...usualSizes },
  },
  glm4_moe_lite: {
    ...{ vocabulary: 154880, hiddenSize: 2048, feedForwardSize: 10240, blocks: 47, heads: 20 },
    ...{ contextLength: 202752, queryRank: 768, plain: 192, valueSize: 256 },
  },
} satisfies Partial<Record<MixtureClass, Defaults>>;

function readModel(config: ConfigReader, defaults: Defaults): Model {
  const latent: Latent = {
    queryRank: config.isNull('q_lora_rank') ? 0 : config.integer('q_lora_rank', defaults.queryRank),
    rank: config.integer('kv_lora_rank', 512),
    plain: config.integer('qk_nope_head_dim', defaults.plain),
    rotated: config.integer('qk_rope_head_dim', 64, 2),
    valueSize: config.integer('v_head_dim', defaults.valueSize),
  };
  const blocks = config.layers('num_hidden_layers', defaults.blocks);
  const vocabulary = config.integer('vocab_size', defaults.vocabulary);
  refuseLite(config, latent, blocks, vocabulary);
  const contextLength = config.integer('max_position_embeddings', defaults.contextLength);
  const { rope, divisors } = withUsualRamp(readRope(config, latent.rotated, contextLength), latent.rotated);
  return {
    blocks,
    hiddenSize: config.integer('hidden_size', defaults.hiddenSize),
    feedForwardSize: config.integer('intermediate_size', defaults.feedForwardSize),
    heads: config.count('num_attention_heads', defaults.heads),
    tied: config.tied(false),
    contextLength,
    vocabulary,
    latent,
    divisors,
    ropeKeyValues: [...ropeKeyValues(withUsualMagnitude(rope)), ...scaleKeyValues(config, rope)],
  };
}

/** llama.cpp recognizes models without compressed queries by their number of blocks and looks for none there. */
function refuseLite(config: ConfigReader, { queryRank }: Latent, blocks: number, vocabulary: number): void {
  const lite = blocks === 26 || blocks === 27 || (blocks === 48 && vocabulary === 128256);
  if (!lite || queryRank === 0) return;
  throw config.unsupported(
    said`"q_lora_rank" is ${queryRank} with ${blocks} blocks; llama.cpp assumes that a model of that many blocks has no compressed queries.`,
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
      said`Rope scaling of type ${JSON.stringify(ropeKind(parameters))} cannot be exported for this architecture; only yarn is supported.`,
    );
  const all = parameters.numberUnlessZero('mscale_all_dim');
  if (all === undefined)
    throw config.unsupported(
      said`YaRN without "mscale_all_dim" cannot be exported for this architecture; llama.cpp would change the scale of attention scores.`,
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
      rule: {
        sourceShape,
        rows: rows(0, plain),
        unit: { rows: plain, order: 'transpose', takesOutputs: true },
      },
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
