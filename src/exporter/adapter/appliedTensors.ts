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

/** Those of them that the graphs of an architecture compute without adapters. */
const ignored: Readonly<Record<string, readonly string[]>> = {
  deepseek2: ['attn_q'],
};

/** Whether llama.cpp applies an adapter's change of a tensor. @param architecture `general.architecture`. */
export function appliedTensor(architecture: string, name: string): boolean {
  const [, part] = /^(?:blk\.\d+\.)?([a-z_]+)\.weight$/.exec(name) ?? [];
  return part !== undefined && applied.has(part) && ignored[architecture]?.includes(part) !== true;
}
