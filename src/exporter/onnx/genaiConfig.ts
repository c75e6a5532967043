import type { DecoderShape } from '../../graph/transformer/decoderShape';
import type { PlannedModel } from './planOnnx';

type Values = Readonly<Record<string, unknown>>;

/**
 * genai_config.json of ONNX Runtime GenAI, for a graph with keys and values as inputs. The type is that of any decoder: of the others the
 * runtime assumes things that hold for graphs of its own builder. Keys and values are joined in the graph, so past and present
 * cannot share a buffer.
 * @param config config.json.
 * @param generation generation_config.json.
 * @returns undefined where the file cannot state the model: blocks that differ in heads, or no token that ends a text.
 * @see https://onnxruntime.ai/docs/genai/reference/config.html
 */
export function genaiConfig(
  { file, shape, context }: PlannedModel,
  config: Values,
  generation: Values,
): Record<string, unknown> | undefined {
  const block = commonBlock(shape);
  const tokens = specialTokens(generation, config);
  if (!block || !tokens) return undefined;
  return {
    model: {
      type: 'decoder',
      ...tokens,
      context_length: context,
      vocab_size: shape.vocabulary,
      decoder: {
        session_options: { log_id: 'onnxruntime-genai', provider_options: [] },
        filename: file.name,
        head_size: block.headSize,
        hidden_size: shape.hiddenSize,
        num_attention_heads: block.heads,
        num_hidden_layers: shape.blocks.length,
        num_key_value_heads: block.kvHeads,
        inputs: {
          input_ids: 'input_ids',
          attention_mask: 'attention_mask',
          position_ids: 'position_ids',
          past_key_names: 'past_key_values.%d.key',
          past_value_names: 'past_key_values.%d.value',
        },
        outputs: {
          logits: 'logits',
          present_key_names: 'present.%d.key',
          present_value_names: 'present.%d.value',
        },
      },
    },
    search: { ...search(generation), max_length: context, past_present_share_buffer: false },
  };
}

/** Sizes that all blocks share. */
function commonBlock({ blocks }: DecoderShape): DecoderShape['blocks'][number] | undefined {
  const [first] = blocks;
  const isSame = blocks.every(
    ({ heads, kvHeads, headSize }) =>
      heads === first?.heads && kvHeads === first.kvHeads && headSize === first.headSize,
  );
  return isSame ? first : undefined;
}

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Ids as generation_config.json states them, or else config.json; padding is the first end of text where neither does. */
function specialTokens(...sources: readonly Values[]): Record<string, unknown> | undefined {
  const stated = (key: string): unknown =>
    sources.map((source) => source[key]).find((value) => value !== undefined && value !== null);
  const end = stated('eos_token_id');
  const ends = (Array.isArray(end) ? end : [end]).filter(isId);
  if (ends.length === 0) return undefined;
  const [begin, padding] = [stated('bos_token_id'), stated('pad_token_id')];
  return {
    ...(isId(begin) ? { bos_token_id: begin } : {}),
    eos_token_id: ends.length === 1 ? ends[0] : ends,
    pad_token_id: isId(padding) ? padding : ends[0],
  };
}

/** How the runtime chooses tokens where nothing is asked for: its builder's values, unless the model's authors recommend others. */
const defaults = {
  do_sample: false,
  early_stopping: true,
  length_penalty: 1,
  min_length: 0,
  no_repeat_ngram_size: 0,
  num_beams: 1,
  num_return_sequences: 1,
  repetition_penalty: 1,
  temperature: 1,
  top_k: 50,
  top_p: 1,
} as const;

/** Values of generation_config.json that have the type of the default. */
const search = (generation: Values): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(defaults).map(([key, value]) => {
      const stated = generation[key];
      return [key, typeof stated === typeof value ? stated : value];
    }),
  );
