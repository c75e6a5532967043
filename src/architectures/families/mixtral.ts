import type { ArchitectureDescription } from '../description';
import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import { expertParts } from '../experts';
import { u32 } from '../keyValues';
import { ropeTensors } from '../rope';
import { windowWithoutKey } from '../slidingWindow';

/** Mixtral: llama's attention, and experts whose matrices GGUF merges. */
export const mixtral: ArchitectureDescription = {
  name: 'llama',
  family: 'Mixtral',
  remark: 'llama.cpp has no window for it',
  classes: { MixtralForCausalLM: 'mixtral' },
  forward: { rotation: 'pairs', activation: 'silu', normalizedExperts: true },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config, { ropeTheta: 1_000_000 });
    const { hiddenSize, feedForwardSize } = decoder;
    const experts = config.count('num_local_experts', 8);
    const names = (expert: number) => {
      const prefix = `block_sparse_moe.experts.${expert}`;
      return { gate: `${prefix}.w1`, up: `${prefix}.w3`, down: `${prefix}.w2` };
    };
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        u32('expert_count', experts),
        u32('expert_used_count', config.integer('num_experts_per_tok', 2)),
      ],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { interleaved: true }),
          {
            from: 'block_sparse_moe.gate',
            to: 'ffn_gate_inp',
            shape: [experts, hiddenSize],
            // The name in transformers 5.
            instead: { from: ['mlp.gate.weight'], sourceShape: [experts, hiddenSize] },
          },
          ...expertParts({ count: experts, size: feedForwardSize, hiddenSize }, names),
        ]),
      ],
    };
  },
};
