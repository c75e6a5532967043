import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import {
  blockRules,
  decoderKeyValues,
  expectSquareAttention,
  normParts,
  outerParts,
  partRules,
  readDecoder,
  rmsEpsilon,
  tiedOutput,
  usualIgnored,
  type Decoder,
} from './decoder';
import type { ArchitectureDescription, ComputedTensor } from './description';
import { f32, u32 } from './keyValues';
import { readTheta, ropeKind, ropeParameters } from './rope';
import { windowWithoutKey } from './slidingWindow';

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

interface LongRope {
  readonly keyValues: readonly KeyValue[];
  readonly computed: readonly ComputedTensor[];
}

/**
 * LongRoPE (Ding et al. 2024): divisors of the rotary frequencies for contexts up to the original length and beyond, and a
 * factor of sines and cosines, √(1 + ln(stretch) / ln(original length)) unless stated.
 */
function readLongRope(config: ConfigReader, { ropeDimensions, contextLength }: Decoder): LongRope {
  const parameters = ropeParameters(config);
  const kind = ropeKind(parameters);
  if (kind !== 'default' && kind !== 'longrope' && kind !== 'su')
    throw config.unsupported(
      `Rope scaling of type ${JSON.stringify(kind)} cannot be exported for this architecture; only longrope is supported.`,
    );
  config.known('original_max_position_embeddings');
  const stretched = parameters !== undefined && kind !== 'default';
  const inside = parameters?.has('original_max_position_embeddings') ? parameters : config;
  const original = inside.integer('original_max_position_embeddings', stretched ? 4096 : contextLength);
  const keyValues = [u32('rope.scaling.original_context_length', original)];
  if (!stretched) return { keyValues, computed: [] };
  const ratio = parameters.number('factor', contextLength / original);
  const attention = ratio > 1 ? Math.sqrt(1 + Math.log(ratio) / Math.log(original)) : 1;
  const factors = (length: 'short' | 'long'): ComputedTensor => {
    const values = parameters.numbers(`${length}_factor`);
    if (values?.length !== ropeDimensions / 2)
      throw parameters.wrong(`${length}_factor`, `a list of ${ropeDimensions / 2} numbers is needed`);
    return {
      to: `rope_factors_${length}.weight`,
      values: Float32Array.from(values),
      reason: 'rope scaling of config.json',
    };
  };
  return {
    keyValues: [
      ...keyValues,
      f32('rope.scaling.attn_factor', parameters.number('attention_factor', attention)),
    ],
    computed: [factors('long'), factors('short')],
  };
}
