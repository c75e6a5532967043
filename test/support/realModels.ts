import { truncate, writeFile } from 'node:fs/promises';
import { layOutGguf } from '../../src/exporter/gguf/writer';
import type { Architecture } from '../../src/exporter/plan/architecture';
import { compareTensorNames } from '../../src/exporter/plan/order';
import type { KeyValue } from '../../src/model/keyValue';

/** Models as their GGUF files have them: numbers, names and shapes of all tensors. No weights. */
export interface RealModel {
  readonly architecture: Architecture;
  readonly keyValues: readonly KeyValue[];
  /** In the order of a file. Shapes have the outermost dimension first. */
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

interface Numbers {
  readonly name: string;
  readonly hidden: number;
  readonly wide: number;
  readonly blocks: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  /** Width of a head; hidden / heads when absent. */
  readonly head?: number;
  readonly experts?: number;
  readonly tied?: boolean;
  readonly keyValues?: Readonly<Record<string, number>>;
  /** Key-value heads of each block, where they differ. */
  readonly kvHeadsOf?: readonly number[];
}

type Shapes = Readonly<Record<string, readonly number[]>>;

/** Tensors of one block, by name without `blk.N.` and `.weight`. */
type Block = (numbers: Required<Omit<Numbers, 'keyValues' | 'kvHeadsOf'>>, block: number) => Shapes;

const attention: Block = ({ hidden, heads, kvHeads, head }) => ({
  attn_norm: [hidden],
  attn_q: [heads * head, hidden],
  attn_k: [kvHeads * head, hidden],
  attn_v: [kvHeads * head, hidden],
  attn_output: [hidden, heads * head],
});

const fusedAttention: Block = ({ hidden, heads, kvHeads, head }) => ({
  attn_norm: [hidden],
  attn_qkv: [(heads + 2 * kvHeads) * head, hidden],
  attn_output: [hidden, heads * head],
});

const dense: Block = ({ hidden, wide }) => ({
  ffn_norm: [hidden],
  ffn_gate: [wide, hidden],
  ffn_up: [wide, hidden],
  ffn_down: [hidden, wide],
});

const withoutGate: Block = ({ hidden, wide }) => ({ ffn_up: [wide, hidden], ffn_down: [hidden, wide] });

const mixed: Block = ({ hidden, wide, experts }) => ({
  ffn_norm: [hidden],
  ffn_gate_inp: [experts, hidden],
  ffn_gate_exps: [experts, wide, hidden],
  ffn_up_exps: [experts, wide, hidden],
  ffn_down_exps: [experts, hidden, wide],
});

const join =
  (...parts: readonly Block[]): Block =>
  (numbers, block) =>
    Object.assign({}, ...parts.map((part) => part(numbers, block))) as Shapes;

/** A dense first block, then experts of which some are always used; keys and values from a latent vector. */
const deepseekFeedForward: Block = (numbers, block) => {
  if (block === 0) return dense({ ...numbers, wide: 10944 }, block);
  const { hidden } = numbers;
  return {
    ...mixed(numbers, block),
    ffn_gate_shexp: [2816, hidden],
    ffn_up_shexp: [2816, hidden],
    ffn_down_shexp: [hidden, 2816],
  };
};

const latentAttention: Block = ({ hidden, heads }) => ({
  attn_norm: [hidden],
  attn_q: [heads * 192, hidden],
  attn_kv_a_mqa: [576, hidden],
  attn_kv_a_norm: [512],
  attn_output: [hidden, heads * 128],
});

const keysAndValues: Block = ({ heads }) => ({ attn_kv_b: [heads * 256, 512] });
const absorbedKeysAndValues: Block = ({ heads }) => ({
  attn_k_b: [heads, 512, 128],
  attn_v_b: [heads, 128, 512],
});

const deepseek: Numbers = {
  ...{ name: 'deepseek2', hidden: 2048, wide: 1408, blocks: 27, heads: 16, kvHeads: 16, experts: 64 },
  vocabulary: 102400,
  keyValues: {
    ...{ 'attention.kv_lora_rank': 512, leading_dense_block_count: 1, expert_feed_forward_length: 1408 },
    ...{ expert_shared_count: 2, 'rope.dimension_count': 64 },
  },
};

/** A model of so many blocks of one kind; `extra` are tensors outside the blocks, named like those of a block. */
export function realModel(numbers: Numbers, block: Block, extra: Shapes = {}): RealModel {
  const { name, hidden, blocks, heads, kvHeads, vocabulary, tied = false } = numbers;
  const full = { head: hidden / heads, experts: 0, tied, ...numbers };
  const named: [string, readonly number[]][] = Object.entries({
    token_embd: [vocabulary, hidden],
    output_norm: [hidden],
    ...(tied ? {} : { output: [vocabulary, hidden] }),
    ...extra,
  });
  for (let index = 0; index < blocks; index++)
    for (const [part, shape] of Object.entries(block(full, index)))
      named.push([`blk.${index}.${part}`, shape]);
  return {
    architecture: { name, blocks, heads, kvHeads, experts: full.experts },
    keyValues: keyValuesOf(numbers),
    tensors: named
      .map(([part, shape]) => ({ name: `${part}.weight`, shape }))
      .sort((a, b) => compareTensorNames(a.name, b.name)),
  };
}

function array(key: string, values: readonly number[]): KeyValue {
  return { key, type: 'array', elementType: 'u32', values };
}

function keyValuesOf(numbers: Numbers): KeyValue[] {
  const { name, kvHeads, experts = 0, kvHeadsOf } = numbers;
  const values = {
    ...{ context_length: 4096, embedding_length: numbers.hidden, block_count: numbers.blocks },
    ...{ feed_forward_length: numbers.wide, 'attention.head_count': numbers.heads },
    vocab_size: numbers.vocabulary,
    ...(kvHeadsOf ? {} : { 'attention.head_count_kv': kvHeads }),
    ...(experts > 0 ? { expert_count: experts, expert_used_count: 2 } : {}),
    ...numbers.keyValues,
  };
  const key = (rest: string): string => `${name}.${rest}`;
  return [
    { key: 'general.architecture', type: 'string', value: name },
    ...Object.entries(values).map(([rest, value]): KeyValue => ({ key: key(rest), type: 'u32', value })),
    ...['attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon', 'logit_scale'].map(
      (rest): KeyValue => ({ key: key(rest), type: 'f32', value: 1e-5 }),
    ),
    ...(kvHeadsOf ? [array(key('attention.head_count_kv'), kvHeadsOf)] : []),
  ];
}

/** Blocks of Llama and many others. */
export const llamaBlock = join(attention, dense);

/** By the name people know. */
export const realModels: Readonly<Record<string, RealModel>> = {
  'Llama-3.1-8B': realModel(
    { name: 'llama', hidden: 4096, wide: 14336, blocks: 32, heads: 32, kvHeads: 8, vocabulary: 128256 },
    llamaBlock,
    { rope_freqs: [64] },
  ),
  'Llama-3.1-70B': realModel(
    { name: 'llama', hidden: 8192, wide: 28672, blocks: 80, heads: 64, kvHeads: 8, vocabulary: 128256 },
    llamaBlock,
    { rope_freqs: [64] },
  ),
  'LLaMA-65B': realModel(
    { name: 'llama', hidden: 8192, wide: 22016, blocks: 80, heads: 64, kvHeads: 64, vocabulary: 32000 },
    llamaBlock,
  ),
  'Mixtral-8x7B': realModel(
    {
      ...{ name: 'llama', hidden: 4096, wide: 14336, blocks: 32, heads: 32, kvHeads: 8, vocabulary: 32000 },
      experts: 8,
    },
    join(attention, mixed),
  ),
  'Qwen2.5-7B': realModel(
    { name: 'qwen2', hidden: 3584, wide: 18944, blocks: 28, heads: 28, kvHeads: 4, vocabulary: 152064 },
    llamaBlock,
  ),
  'Qwen2.5-72B': realModel(
    { name: 'qwen2', hidden: 8192, wide: 29568, blocks: 80, heads: 64, kvHeads: 8, vocabulary: 152064 },
    llamaBlock,
  ),
  'Gemma-2-9B': realModel(
    {
      ...{ name: 'gemma2', hidden: 3584, wide: 14336, blocks: 42, heads: 16, kvHeads: 8, vocabulary: 256000 },
      ...{ head: 256, tied: true, keyValues: { 'attention.sliding_window': 4096 } },
    },
    join(llamaBlock, ({ hidden }) => ({ post_attention_norm: [hidden], post_ffw_norm: [hidden] })),
  ),
  'Falcon-7B': realModel(
    { name: 'falcon', hidden: 4544, wide: 18176, blocks: 32, heads: 71, kvHeads: 1, vocabulary: 65024 },
    join(fusedAttention, withoutGate),
  ),
  'Falcon-40B': realModel(
    { name: 'falcon', hidden: 8192, wide: 32768, blocks: 60, heads: 128, kvHeads: 8, vocabulary: 65024 },
    join(fusedAttention, withoutGate),
  ),
  'Phi-3-mini': realModel(
    {
      ...{ name: 'phi3', hidden: 3072, wide: 8192, blocks: 32, heads: 32, kvHeads: 32, vocabulary: 32064 },
      keyValues: { 'rope.dimension_count': 96, 'attention.sliding_window': 2047 },
    },
    join(fusedAttention, ({ hidden, wide }) => ({
      ffn_norm: [hidden],
      ffn_up: [2 * wide, hidden], // the gate is its first half
      ffn_down: [hidden, wide],
    })),
  ),
  'DeepSeek-V2-Lite': realModel(
    {
      ...deepseek,
      kvHeads: 1,
      keyValues: {
        ...deepseek.keyValues,
        ...{ 'attention.key_length': 576, 'attention.value_length': 512 },
        ...{ 'attention.key_length_mla': 192, 'attention.value_length_mla': 128 },
      },
    },
    join(latentAttention, absorbedKeysAndValues, deepseekFeedForward),
  ),
  'DeepSeek-V2-Lite of an old converter': realModel(
    deepseek,
    join(latentAttention, keysAndValues, deepseekFeedForward),
  ),
  'Qwen3-30B-A3B': realModel(
    {
      ...{ name: 'qwen3moe', hidden: 2048, wide: 768, blocks: 48, heads: 32, kvHeads: 4, vocabulary: 151936 },
      ...{ head: 128, experts: 128, keyValues: { expert_feed_forward_length: 768 } },
    },
    join(attention, mixed, ({ head }) => ({ attn_q_norm: [head], attn_k_norm: [head] })),
  ),
  'Command-R': realModel(
    {
      ...{ name: 'command-r', hidden: 8192, wide: 22528, blocks: 40, heads: 64, kvHeads: 64 },
      ...{ vocabulary: 256000, tied: true },
    },
    llamaBlock,
  ),
  'a model whose first block has no attention': realModel(
    {
      ...{ name: 'deci', hidden: 4096, wide: 14336, blocks: 80, heads: 32, kvHeads: 0, vocabulary: 128256 },
      ...{ head: 128, kvHeadsOf: Array.from({ length: 80 }, (_, block) => (block === 0 ? 0 : 8)) },
    },
    (numbers, block) => ({
      ...(block > 0 ? attention({ ...numbers, kvHeads: 8 }, block) : {}),
      ...dense(numbers, block),
    }),
  ),
  'a model of odd rows': realModel(
    { name: 'llama', hidden: 1500, wide: 4000, blocks: 20, heads: 12, kvHeads: 12, vocabulary: 32000 },
    llamaBlock,
  ),
};

/** Writes the header and leaves a hole where the weights would be: matrices in half precision, vectors in single. */
export async function writeHollowGguf(path: string, { keyValues, tensors }: RealModel): Promise<void> {
  const typed = tensors.map(({ name, shape }) => {
    const [to, size] = shape.length > 1 ? (['F16', 2] as const) : (['F32', 4] as const);
    return { name, shape, to, bytes: size * shape.reduce((product, length) => product * length, 1) };
  });
  const { header, fileBytes } = layOutGguf(keyValues, typed);
  await writeFile(path, header);
  await truncate(path, fileBytes);
}
