import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import type { Part } from '../partRules';
import { f32, u32 } from '../keyValues';
import { refuseFactors } from '../rope';

/** What all models of IBM's Granite family from version 3 on have in common. */
export interface Granite {
  readonly decoder: Decoder;
  readonly keyValues: readonly KeyValue[];
}

/** Factors of embeddings, of what each part adds, of scores, and the divisor of logits, which are multiplied and divided by 1 by default. */
const scales = {
  embedding_multiplier: 'embedding_scale',
  residual_multiplier: 'residual_scale',
  attention_multiplier: 'attention.scale',
  logits_scaling: 'logit_scale',
};

/** @throws QuantscopeError UNSUPPORTED for another activation and a rope scaling that llama.cpp does not read here. */
export function readGranite(config: ConfigReader): Granite {
  config.expect('hidden_act', 'silu', 'silu');
  const decoder = readDecoder(config, {
    blocks: 32,
    hiddenSize: 4096,
    feedForwardSize: 11008,
    heads: 32,
    contextLength: 2048,
  });
  refuseFactors(config, decoder.rope);
  return {
    decoder,
    keyValues: [
      ...decoderKeyValues(decoder),
      rmsEpsilon(config),
      ...Object.entries(scales).map(([name, key]) => f32(key, config.number(name, 1))),
    ],
  };
}

/** Experts of a mixture: all gates and what they open in one tensor, one expert after the other. */
export interface GraniteExperts {
  readonly keyValues: readonly KeyValue[];
  readonly parts: readonly Part[];
}

/** @throws QuantscopeError MODEL_FILE for impossible numbers. */
export function readGraniteExperts(config: ConfigReader, decoder: Decoder): GraniteExperts {
  const { hiddenSize, feedForwardSize: size } = decoder;
  const count = config.count('num_local_experts', 8);
  const both = { from: 'block_sparse_moe.input_linear', shape: [count, size, hiddenSize] };
  const half = (first: number) => ({
    sourceShape: [count, 2 * size, hiddenSize],
    rows: Array.from({ length: count }, (_, expert) => ({ first: 2 * size * expert + first, count: size })),
  });
  return {
    keyValues: [
      u32('expert_count', count),
      u32('expert_used_count', config.integer('num_experts_per_tok', 2)),
    ],
    parts: [
      { from: 'block_sparse_moe.router.layer', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
      { ...both, to: 'ffn_gate_exps', rule: half(0) },
      { ...both, to: 'ffn_up_exps', rule: half(size) },
      {
        from: 'block_sparse_moe.output_linear',
        to: 'ffn_down_exps',
        shape: [count, hiddenSize, size],
      },
    ],
  };
}

/** A network that all tokens go through, gate above up in one matrix; `suffix` "_shexp" next to experts. */
export function sharedParts({ hiddenSize }: Decoder, size: number, suffix: '' | '_shexp'): Part[] {
  const both = { from: 'shared_mlp.input_linear', shape: [size, hiddenSize] };
  const half = (first: number) => ({
    sourceShape: [2 * size, hiddenSize],
    rows: [{ first, count: size }],
  });
  return [
    { ...both, to: `ffn_gate${suffix}`, rule: half(0) },
    { ...both, to: `ffn_up${suffix}`, rule: half(size) },
    { from: 'shared_mlp.output_linear', to: `ffn_down${suffix}`, shape: [hiddenSize, size] },
  ];
}
