/**
 * Tensors whose products llama.cpp was found to compute with adapters, by the last part of their names before "weight". Others are loaded, and
 * some are ignored: those of positions, convolutions and norms.
 */
const applied = new Set([
  ...['token_embd', 'output', 'attn_q', 'attn_k', 'attn_v', 'attn_qkv', 'attn_output', 'attn_gate'],
  ...['ffn_gate', 'ffn_up', 'ffn_down', 'ffn_gate_inp'],
  ...['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps'],
  ...['ffn_gate_shexp', 'ffn_up_shexp', 'ffn_down_shexp'],
  ...['ssm_in', 'ssm_out', 'ssm_ba', 'ssm_alpha', 'ssm_beta'],
]);

/** Whether llama.cpp applies an adapter's change of a tensor of the architectures whose models it was compared for. */
export function appliedTensor(name: string): boolean {
  const [, part] = /^(?:blk\.\d+\.)?([a-z_]+)\.weight$/.exec(name) ?? [];
  return part !== undefined && applied.has(part);
}
