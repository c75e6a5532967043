/** Names in checkpoints of many architectures that differ from GGUF's: parts of a block, and those outside. */
const blockAliases: ReadonlyMap<string, string> = new Map([
  ['input_layernorm', 'attn_norm'],
  ['ln_1', 'attn_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['ln_2', 'ffn_norm'],
  ['pre_feedforward_layernorm', 'ffn_norm'],
  ['post_feedforward_layernorm', 'post_ffw_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.dense', 'attn_output'],
  ['self_attn.qkv_proj', 'attn_qkv'],
  ['self_attention.query_key_value', 'attn_qkv'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['self_attn.sinks', 'attn_sinks'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
  ['mlp.fc1', 'ffn_up'],
  ['mlp.fc2', 'ffn_down'],
  ['mlp.gate', 'ffn_gate_inp'],
  ['mlp.router', 'ffn_gate_inp'],
  ['mlp.experts.down_proj', 'ffn_down_exps'],
]);
const outerAliases: ReadonlyMap<string, string> = new Map([
  ['embed_tokens', 'token_embd'],
  ['wte', 'token_embd'],
  ['word_embeddings', 'token_embd'],
  ['norm', 'output_norm'],
  ['ln_f', 'output_norm'],
  ['final_layernorm', 'output_norm'],
  ['lm_head', 'output'],
  ['embed_out', 'output'],
]);

const outerPrefix = /^(?:(?:model|transformer|language_model|gpt_neox|module|_orig_mod)\.)+/;
const block = /^(?:layers|h|blocks)\.(\d+)\.(.+)$/;

/** The name that GGUF usually has for a tensor of a checkpoint, whatever its architecture; its own where none is known. */
export function usualGgufName(name: string): string {
  const bare = name.replace(outerPrefix, '');
  const [, number, inBlock] = block.exec(bare) ?? [];
  const { stem, suffix } = divide(inBlock ?? bare);
  const alias = (inBlock === undefined ? outerAliases : blockAliases).get(stem);
  if (alias === undefined) return name;
  return `${number === undefined ? '' : `blk.${number}.`}${alias}${suffix}`;
}

/** A part, and ".weight" or ".bias"; parameters without a suffix (packed experts, sinks) are weights in GGUF. */
function divide(name: string): { stem: string; suffix: string } {
  const [, stem = name, suffix = '.weight'] = /^(.*)(\.(?:weight|bias))$/.exec(name) ?? [];
  return { stem, suffix };
}
