import type { TensorDescriptor } from '../protocol/model';
import { dtypeNamed } from './dtypes';
import { readAs } from './rows';

export type TensorRole =
  | 'token_embd'
  | 'output'
  | 'attn_q'
  | 'attn_k'
  | 'attn_v'
  | 'attn_output'
  | 'ffn_gate'
  | 'ffn_up'
  | 'ffn_down'
  | 'norm'
  | 'other';

/** Patterns of llama-style names, in Hugging Face's and GGUF's spelling. */
const patterns: readonly (readonly [RegExp, TensorRole])[] = [
  [/(^|[._])(norm|layernorm|ln_f|ln_\d)\.|_norm\.|layernorm\.|norm\.weight$/, 'norm'],
  [/(^|\.)(embed_tokens|token_embd|wte)\.weight$/, 'token_embd'],
  [/(^|\.)(lm_head|output)\.weight$/, 'output'],
  [/\.(q_proj|attn_q)\.weight$/, 'attn_q'],
  [/\.(k_proj|attn_k)\.weight$/, 'attn_k'],
  [/\.(v_proj|attn_v)\.weight$/, 'attn_v'],
  [/\.(o_proj|attn_output)\.weight$/, 'attn_output'],
  [/\.(gate_proj|ffn_gate)\.weight$/, 'ffn_gate'],
  [/\.(up_proj|ffn_up)\.weight$/, 'ffn_up'],
  [/\.(down_proj|ffn_down)\.weight$/, 'ffn_down'],
];

/** What a tensor does in the model, and its layer when the name has one ("layers.3.", "blk.3."). */
export function tensorRole(name: string): { role: TensorRole; layer?: number } {
  const role = patterns.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
  const layer = /(?:^|\.)(?:layers|blk|h|blocks)\.(\d+)\./.exec(name)?.[1];
  return layer === undefined ? { role } : { role, layer: Number(layer) };
}

/** Whether quantizing this tensor makes sense: a matrix of real-valued weights that is not a norm. */
export function isQuantizable(tensor: TensorDescriptor): boolean {
  const isNamed = tensor.name.endsWith('weight') || tensor.stored !== undefined;
  if (!tensor.readable || tensor.shape.length < 2 || !isNamed) return false;
  return holdsWeights(tensor) && tensorRole(tensor.name).role !== 'norm';
}

/** Whether its values are real numbers. */
export const holdsWeights = (tensor: TensorDescriptor): boolean =>
  dtypeNamed(readAs(tensor).dtype)?.float === true;
