import { stated } from '../../model/statedValue';

type Config = Readonly<Record<string, unknown>>;

/** Sizes of a model by the expression that a description has for them. */
export type Sizes = ReadonlyMap<string, number>;

/** The expressions that sizes of parts usually are, by the name of the part in GGUF. */
const usual: Readonly<Record<string, readonly string[]>> = {
  attn_q: ['heads * headSize', 'hiddenSize'],
  attn_k: ['kvHeads * headSize', 'hiddenSize'],
  attn_v: ['kvHeads * headSize', 'hiddenSize'],
  attn_qkv: ['(heads + 2 * kvHeads) * headSize', 'hiddenSize'],
  attn_output: ['hiddenSize', 'heads * headSize'],
  attn_q_norm: ['headSize'],
  attn_k_norm: ['headSize'],
  ffn_gate: ['feedForwardSize', 'hiddenSize'],
  ffn_up: ['feedForwardSize', 'hiddenSize'],
  ffn_down: ['hiddenSize', 'feedForwardSize'],
};

/** The sizes that config.json states under llama's keys; those that it lacks are missing. */
export function sizesOf(config: Config): Sizes {
  const number = (...keys: readonly string[]): number => {
    const value = keys.map((key) => config[key]).find((found) => typeof found === 'number');
    return typeof value === 'number' ? value : NaN;
  };
  const [hiddenSize, heads] = [number('hidden_size'), number('num_attention_heads')];
  const stated = number('num_key_value_heads');
  const kvHeads = Number.isNaN(stated) ? heads : stated;
  const headSize = Number.isNaN(number('head_dim')) ? hiddenSize / heads : number('head_dim');
  const feedForwardSize = number('intermediate_size');
  return new Map(
    Object.entries({
      hiddenSize,
      'heads * headSize': heads * headSize,
      'kvHeads * headSize': kvHeads * headSize,
      '(heads + 2 * kvHeads) * headSize': (heads + 2 * kvHeads) * headSize,
      feedForwardSize,
      '2 * feedForwardSize': 2 * feedForwardSize,
      headSize,
      experts: number('num_experts', 'num_local_experts', 'n_routed_experts'),
      expertSize: number('moe_intermediate_size'),
    }).filter(([, size]) => Number.isFinite(size)),
  );
}

/** A shape in expressions: those that are usual for the part where they fit, else any that fit, else numbers. */
export function shapeText(part: string, shape: readonly number[], sizes: Sizes): readonly string[] {
  if (part === 'token_embd' || part === 'output') return ["'any'", ...shape.slice(1).map(bySize(sizes))];
  const expected = usual[part];
  const fits = expected?.length === shape.length && expected.every((text, i) => sizes.get(text) === shape[i]);
  return fits ? expected : shape.map(bySize(sizes));
}

const bySize =
  (sizes: Sizes) =>
  (size: number): string =>
    [...sizes].find(([, value]) => value === size)?.[0] ?? String(size);

/** What config.json says of the keys that a decoder needs and that it lacks, as parts of sentences. */
export const missingKeys = (config: Config): string[] =>
  ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size']
    .filter((key) => typeof config[key] !== 'number')
    .map((key) => `"${key}" ${stated(config[key])}`);
