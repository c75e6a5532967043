import type { ArchitectureDescription } from './description';
import {
  attentionParts,
  blockRules,
  decoderKeyValues,
  expertPart,
  normParts,
  outerParts,
  partRules,
  readDecoder,
  rmsEpsilon,
  usualIgnored,
} from './decoder';
import { u32 } from './keyValues';
import { ropeTensors } from './rope';

/** Mixtral: llama's attention, and experts whose matrices GGUF merges. */
export const mixtral: ArchitectureDescription = {
  name: 'llama',
  classes: { MixtralForCausalLM: 'mixtral' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config, { ropeTheta: 1_000_000 });
    const { hiddenSize, feedForwardSize } = decoder;
    const experts = config.integer('num_local_experts', 8);
    const expert = (part: string, to: string, shape: readonly [number, number]) =>
      expertPart(experts, (index) => `block_sparse_moe.experts.${index}.${part}`, to, shape);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        u32('expert_count', experts),
        u32('expert_used_count', config.integer('num_experts_per_tok', 2)),
      ],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        ...blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { interleaved: true }),
          { from: 'block_sparse_moe.gate', to: 'ffn_gate_inp', shape: [experts, hiddenSize] },
          expert('w1', 'ffn_gate_exps', [feedForwardSize, hiddenSize]),
          expert('w2', 'ffn_down_exps', [hiddenSize, feedForwardSize]),
          expert('w3', 'ffn_up_exps', [feedForwardSize, hiddenSize]),
        ]),
      ],
    };
  },
};
