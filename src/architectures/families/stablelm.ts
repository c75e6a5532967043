import { decoderKeyValues, expectSquareAttention, layerNormEpsilon, readDecoder } from '../decoder';
import { attentionParts, gatedParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { bool } from '../keyValues';
import { refuseFactors } from '../rope';

/**
 * StableLM 3B, Zephyr and StableLM 2: llama with layer norms and only a part of each head rotated. StableLM 2 12B has a norm for
 * each head of query and key, and parallel attention and feed-forward.
 */
export const stablelm: ArchitectureDescription = {
  name: 'stablelm',
  family: 'StableLM',
  classes: { StableLmForCausalLM: 'stablelm', StableLMEpochForCausalLM: 'stablelm_epoch' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('rotary_scaling_factor', 1, 1);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 2560,
      feedForwardSize: 6912,
      heads: 32,
      kvHeads: 32,
      contextLength: 4096,
      partialRotary: config.number('rope_pct', 0.25),
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    const { hiddenSize, heads, kvHeads, headSize, tied } = decoder;
    const parallel = config.flag('use_parallel_residual', false);
    const headNorms = config.flag('qk_layernorm', false);
    const norm = (from: string, to: string): Part => ({ from, to, shape: [hiddenSize], bias: 'required' });
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        bool('use_parallel_residual', parallel),
        layerNormEpsilon(config, config.spelled('layer_norm_eps', 'norm_eps')),
      ],
      tensors: [
        ...partRules([
          { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
          norm('norm', 'output_norm'),
          // llama.cpp always requires the output.
          { from: tied ? 'embed_tokens' : 'lm_head', to: 'output', shape: ['any', hiddenSize] },
        ]),
        blockRules('layers', decoder.blocks, () => [
          norm('input_layernorm', 'attn_norm'),
          ...attentionParts(decoder, config.flag('use_qkv_bias', false) ? { bias: 'required' } : {}),
          ...(headNorms ? [headNorm('q', heads, headSize), headNorm('k', kvHeads, headSize)] : []),
          ...(parallel ? [] : [norm('post_attention_layernorm', 'ffn_norm')]),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};

/** Norms of all heads, merged to [heads, headSize]. */
const headNorm = (side: 'q' | 'k', heads: number, headSize: number): Part => ({
  from: Array.from({ length: heads }, (_, head) => `self_attn.${side}_layernorm.norms.${head}`),
  to: `attn_${side}_norm`,
  shape: [heads, headSize],
  rule: { sourceShape: [headSize] },
});
