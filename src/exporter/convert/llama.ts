import { QuantscopeError } from '../../model/errors';
import type { TensorDescriptor } from '../../protocol/model';
import type { KeyValue } from '../../model/keyValue';
import type { Architecture } from '../plan/architecture';
import type { LlamaConfig } from './llamaConfig';

/** A tensor of the checkpoint under its name in GGUF. */
export interface ConvertedTensor {
  readonly name: string;
  readonly tensor: TensorDescriptor;
  /** Set when the rows of each of this many heads change their order (see `interleaveRows`). */
  readonly ropeHeads?: number;
}

/** Names outside the blocks: Hugging Face → GGUF. */
const outerNames: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

/** Names inside a block, and the shape `[out, in]` (or `[size]`) of the weight. */
const blockNames: Readonly<Record<string, { name: string; shape(config: LlamaConfig): readonly number[] }>> =
  {
    input_layernorm: { name: 'attn_norm', shape: (c) => [c.hiddenSize] },
    'self_attn.q_proj': { name: 'attn_q', shape: (c) => [c.heads * c.headSize, c.hiddenSize] },
    'self_attn.k_proj': { name: 'attn_k', shape: (c) => [c.kvHeads * c.headSize, c.hiddenSize] },
    'self_attn.v_proj': { name: 'attn_v', shape: (c) => [c.kvHeads * c.headSize, c.hiddenSize] },
    'self_attn.o_proj': { name: 'attn_output', shape: (c) => [c.hiddenSize, c.heads * c.headSize] },
    post_attention_layernorm: { name: 'ffn_norm', shape: (c) => [c.hiddenSize] },
    'mlp.gate_proj': { name: 'ffn_gate', shape: (c) => [c.feedForwardSize, c.hiddenSize] },
    'mlp.up_proj': { name: 'ffn_up', shape: (c) => [c.feedForwardSize, c.hiddenSize] },
    'mlp.down_proj': { name: 'ffn_down', shape: (c) => [c.hiddenSize, c.feedForwardSize] },
  };

/** Buffers that old checkpoints carry along; they follow from config.json. */
const derived = /\.rotary_emb\.inv_freq$/;

/**
 * Names every tensor of a llama-architecture checkpoint for GGUF.
 * @throws QuantscopeError UNSUPPORTED for a tensor that llama has no place for; MODEL_FILE when one is missing or its shape
 * disagrees with config.json.
 */
export function convertLlamaTensors(
  tensors: readonly TensorDescriptor[],
  config: LlamaConfig,
  file: string,
): ConvertedTensor[] {
  const converted = tensors
    .filter(({ name }) => !derived.test(name) && !(config.tied && name === 'lm_head.weight'))
    .map((tensor) => convertTensor(tensor, config, file));
  const present = new Set(converted.map(({ name }) => name));
  const missing = requiredNames(config).find((name) => !present.has(name));
  if (missing !== undefined)
    throw new QuantscopeError('MODEL_FILE', 'The checkpoint lacks a tensor that config.json calls for.', {
      file,
      tensor: missing,
    });
  return converted;
}

function convertTensor(tensor: TensorDescriptor, config: LlamaConfig, file: string): ConvertedTensor {
  const outer = outerNames[tensor.name];
  if (outer !== undefined) {
    const columns = tensor.shape[tensor.shape.length - 1];
    if (columns !== config.hiddenSize) throw misshapen(tensor, `[…, ${config.hiddenSize}]`, file);
    return { name: outer, tensor };
  }
  const [, block, part = '', suffix] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(tensor.name) ?? [];
  const known = blockNames[part];
  if (!known || Number(block) >= config.blocks)
    throw new QuantscopeError('UNSUPPORTED', 'A llama model in GGUF has no place for this tensor.', {
      file: tensor.file,
      tensor: tensor.name,
    });
  const weightShape = known.shape(config);
  const expected = suffix === 'bias' ? weightShape.slice(0, 1) : weightShape;
  if (expected.join() !== tensor.shape.join()) throw misshapen(tensor, `[${expected.join(', ')}]`, file);
  const name = `blk.${Number(block)}.${known.name}.${suffix}`;
  const ropeHeads = { attn_q: config.heads, attn_k: config.kvHeads }[known.name];
  return { name, tensor, ...(ropeHeads === undefined ? {} : { ropeHeads }) };
}

function misshapen(tensor: TensorDescriptor, expected: string, file: string): QuantscopeError {
  const message = `The shape is [${tensor.shape.join(', ')}], but by config.json it should be ${expected}.`;
  return new QuantscopeError('MODEL_FILE', message, { file, tensor: tensor.name });
}

function requiredNames(config: LlamaConfig): string[] {
  const parts = Object.values(blockNames).map(({ name }) => name);
  const blocks = Array.from({ length: config.blocks }, (_, block) =>
    parts.map((part) => `blk.${block}.${part}.weight`),
  );
  const output = config.tied ? [] : ['output.weight'];
  return ['token_embd.weight', 'output_norm.weight', ...output, ...blocks.flat()];
}

export function architectureOfLlama({ blocks, heads, kvHeads }: LlamaConfig): Architecture {
  return { name: 'llama', blocks, heads, kvHeads, experts: 0 };
}

/** Hyper-parameters as GGUF key-values. */
export function llamaKeyValues(config: LlamaConfig, vocabulary: number): KeyValue[] {
  const u32 = (key: string, value: number): KeyValue => ({ key: `llama.${key}`, type: 'u32', value });
  const f32 = (key: string, value: number): KeyValue => ({ key: `llama.${key}`, type: 'f32', value });
  const { ropeScaling, headSize } = config;
  return [
    u32('context_length', config.contextLength),
    u32('embedding_length', config.hiddenSize),
    u32('block_count', config.blocks),
    u32('feed_forward_length', config.feedForwardSize),
    u32('attention.head_count', config.heads),
    u32('attention.head_count_kv', config.kvHeads),
    f32('rope.freq_base', config.ropeTheta),
    f32('attention.layer_norm_rms_epsilon', config.normEpsilon),
    ...(config.headSizeStated
      ? [u32('attention.key_length', headSize), u32('attention.value_length', headSize)]
      : []),
    u32('rope.dimension_count', headSize),
    ...(ropeScaling.kind === 'linear'
      ? [
          { key: 'llama.rope.scaling.type', type: 'string', value: 'linear' } as const,
          f32('rope.scaling.factor', ropeScaling.factor),
        ]
      : []),
    u32('vocab_size', vocabulary),
  ];
}
