/** What tiny checkpoints are put together from: configurations and shapes under Hugging Face's names. */

/** A tiny checkpoint with random weights: its config.json, and the shapes of its tensors by name. */
export interface CheckpointSpec {
  readonly config: Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Norms are 1 + w, so that weights lie around 0. */
  readonly shiftedNorms?: boolean;
  /** Factors of the weights, powers of 2, by a part of the name: what keeps states, and so errors, from being lost or amplified. */
  readonly factors?: Readonly<Record<string, number>>;
  /** Dtype of the weights; BF16 when absent. Their values are those of bfloat16 in any case. */
  readonly dtype?: 'F16' | 'F32';
  /**
   * So many positions at the start of the GGUF file have the logits of the checkpoint, and those after them do not; all when absent.
   */
  readonly agreeing?: number;
  /** Of the weights; one for which rounding to half precision does not change which experts are chosen. */
  readonly seed?: number;
  /** Written as Mistral does: params.json, which states no `model_type`, and consolidated.safetensors. */
  readonly consolidated?: true;
  /** The tokenizer is BPE with byte fallback, as Gemma 4 has it, instead of the sample's. */
  readonly byteFallback?: true;
  /** Written in two files with an index. */
  readonly sharded?: boolean;
  /** Steps of sentence-transformers around the model. */
  readonly modules?: readonly ModuleSpec[];
}

/** A module of sentence-transformers: its config.json and the shapes of its tensors, where it has any. */
export interface ModuleSpec {
  readonly type: string;
  readonly path: string;
  readonly config?: object;
  readonly shapes?: Shapes;
}

/** Names as a class without a head has them. */
export const withoutHead = (shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name.replace(/^model\./, ''), shape]));

export type Shapes = Record<string, readonly number[]>;

/** The sample's tokenizer has so many tokens. */
export const vocabulary = 1024;
export const hidden = 64;
export const heads = 4;
export const wide = 96;

export const dense = { hidden_size: hidden, num_attention_heads: heads, intermediate_size: wide };
export const llamaConfig = (change: object = {}): Record<string, unknown> => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  ...dense,
  num_hidden_layers: 2,
  num_key_value_heads: 2,
  vocab_size: vocabulary,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  ...change,
});

export const norms = (...names: string[]): Shapes =>
  Object.fromEntries(names.map((name) => [`${name}.weight`, [hidden]]));

export const withBiases = (shapes: Shapes, pattern: RegExp): Shapes => ({
  ...shapes,
  ...Object.fromEntries(
    Object.entries(shapes)
      .filter(([name]) => pattern.test(name))
      .map(([name, shape]) => [name.replace(/weight$/, 'bias'), shape.slice(0, 1)]),
  ),
});

interface Sizes {
  readonly kv?: number;
  readonly head?: number;
  readonly wide?: number;
}

export const attention = ({ kv = 2, head = hidden / heads }: Sizes = {}): Shapes => ({
  'self_attn.q_proj.weight': [heads * head, hidden],
  'self_attn.k_proj.weight': [kv * head, hidden],
  'self_attn.v_proj.weight': [kv * head, hidden],
  'self_attn.o_proj.weight': [hidden, heads * head],
});

export const gatedMlp = (prefix = 'mlp', size = wide): Shapes => ({
  [`${prefix}.gate_proj.weight`]: [size, hidden],
  [`${prefix}.up_proj.weight`]: [size, hidden],
  [`${prefix}.down_proj.weight`]: [hidden, size],
});

export const llamaNorms = norms('input_layernorm', 'post_attention_layernorm');
export const block = (sizes?: Sizes): Shapes => ({ ...llamaNorms, ...attention(sizes), ...gatedMlp() });

export const outer = (tied = false): Shapes => ({
  'model.embed_tokens.weight': [vocabulary, hidden],
  'model.norm.weight': [hidden],
  ...(tied ? {} : { 'lm_head.weight': [vocabulary, hidden] }),
});

/** Tensors of every block under a prefix. */
export function blocks(
  count: number,
  shapes: Shapes | ((index: number) => Shapes),
  prefix = 'model.layers',
): Shapes {
  const all = Array.from({ length: count }, (_, index) =>
    Object.entries(typeof shapes === 'function' ? shapes(index) : shapes).map(
      ([name, shape]) => [`${prefix}.${index}.${name}`, shape] as const,
    ),
  );
  return Object.fromEntries(all.flat());
}

export const llamaShapes = (sizes?: Sizes): Shapes => ({ ...outer(), ...blocks(2, block(sizes)) });
export const expertsOf = (count: number, prefix: string, size = wide): Shapes =>
  Object.assign({}, ...Array.from({ length: count }, (_, i) => gatedMlp(`${prefix}.${i}`, size))) as Shapes;
export const headNorms = (head: number): Shapes => ({
  'self_attn.q_norm.weight': [head],
  'self_attn.k_norm.weight': [head],
});
export const sandwich = norms(
  ...['input_layernorm', 'post_attention_layernorm'],
  ...['pre_feedforward_layernorm', 'post_feedforward_layernorm'],
);

export const architecture = (name: string, type: string) => ({ architectures: [name], model_type: type });

/** A state space mixer of Mamba 2 under the names of `prefix`. */
export function mamba2Shapes(
  prefix: string,
  { inner, heads: count, groups, state }: { inner: number; heads: number; groups: number; state: number },
): Shapes {
  const channels = inner + 2 * groups * state;
  return {
    [`${prefix}.in_proj.weight`]: [inner + channels + count, hidden],
    [`${prefix}.conv1d.weight`]: [channels, 1, 4],
    [`${prefix}.conv1d.bias`]: [channels],
    [`${prefix}.dt_bias`]: [count],
    [`${prefix}.A_log`]: [count],
    [`${prefix}.D`]: [count],
    [`${prefix}.norm.weight`]: [inner],
    [`${prefix}.out_proj.weight`]: [hidden, inner],
  };
}

/** With few enough turns in the context that every setting is felt. */
export const yarn = {
  type: 'yarn',
  factor: 4,
  original_max_position_embeddings: 1024,
  beta_fast: 32,
  beta_slow: 1,
};

/** A configuration as transformers 5 writes it. */
export const newer = (
  { config, ...rest }: CheckpointSpec,
  change: object,
  ...left: readonly string[]
): CheckpointSpec => ({
  ...rest,
  config: {
    ...Object.fromEntries(Object.entries(config).filter(([key]) => !left.includes(key))),
    ...change,
  },
});
