import { decoderKeyValues, expectSquareAttention, readDecoder, rmsEpsilon } from '../decoder';
import { normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { u32 } from '../keyValues';
import { readLongRope } from '../longRope';
import { readTheta } from '../rope';
import { windowWithoutKey } from '../slidingWindow';

/**
 * Phi-3, 3.5 and 4: fused query, key and value, fused gate and up, which llama.cpp reads unchanged. It reads the sliding
 * window but attends to everything.
 */
export const phi3: ArchitectureDescription = {
  name: 'phi3',
  family: 'Phi 3, 3.5, 4',
  remark: 'llama.cpp has no window for it',
  classes: { Phi3ForCausalLM: 'phi3' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    for (const bias of ['attention_bias', 'mlp_bias', 'lm_head_bias']) config.expect(bias, false, false);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 3072,
      feedForwardSize: 8192,
      heads: 32,
      contextLength: 4096,
      partialRotary: 1,
      rope: { theta: readTheta(config), scaling: { kind: 'none' } },
    });
    expectSquareAttention(config, decoder);
    const { hiddenSize, feedForwardSize, heads, kvHeads, headSize } = decoder;
    const stretch = readLongRope(config, decoder);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        u32('attention.sliding_window', config.integer('sliding_window', 0, 0)),
        ...stretch.keyValues,
      ],
      computed: stretch.computed,
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          {
            from: 'self_attn.qkv_proj',
            to: 'attn_qkv',
            shape: [(heads + 2 * kvHeads) * headSize, hiddenSize],
          },
          { from: 'self_attn.o_proj', to: 'attn_output', shape: [hiddenSize, heads * headSize] },
          { from: 'mlp.gate_up_proj', to: 'ffn_up', shape: [2 * feedForwardSize, hiddenSize] },
          { from: 'mlp.down_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
        ]),
      ],
    };
  },
};
