/** Tensors whose products llama.cpp computes with adapters, by the last part of their names before "weight". */
const applied = new Set([
  ...['token_embd', 'output', 'attn_q', 'attn_k', 'attn_v', 'attn_qkv', 'attn_output'],
  ...['ffn_gate', 'ffn_up', 'ffn_down', 'ffn_gate_inp'],
  ...['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps'],
  ...['ffn_gate_shexp', 'ffn_up_shexp', 'ffn_down_shexp'],
]);

/**
 * Whether llama.cpp applies an adapter's change of a tensor. It loads changes of any tensor, and leaves out those of products that its graphs
 * compute without adapters.
 * @param architecture `general.architecture`.
 */
export function appliedTensor(_architecture: string, name: string): boolean {
  const [, part] = /^(?:blk\.\d+\.)?([a-z_]+)\.weight$/.exec(name) ?? [];
  return part !== undefined && applied.has(part);
}
