import { describe, expect, it } from 'vitest';
import { usualGgufName } from '../../../src/architectures/aliases';

describe('usual names in GGUF', () => {
  it.each([
    ['model.embed_tokens.weight', 'token_embd.weight'],
    ['transformer.h.11.ln_1.bias', 'blk.11.attn_norm.bias'],
    ['model.language_model.layers.3.self_attn.k_proj.weight', 'blk.3.attn_k.weight'],
    ['model.layers.0.self_attn.sinks', 'blk.0.attn_sinks.weight'],
    ['model.layers.0.mlp.experts.down_proj', 'blk.0.ffn_down_exps.weight'],
    ['lm_head.weight', 'output.weight'],
    ['model.layers.0.mlp.experts.gate_up_proj_blocks', 'model.layers.0.mlp.experts.gate_up_proj_blocks'],
    ['vision_tower.patch.weight', 'vision_tower.patch.weight'],
  ])('%s is %s', (name, expected) => expect(usualGgufName(name)).toBe(expected));
});
