import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { biasIf, blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { u32 } from '../keyValues';
import { readGranite, readGraniteExperts, sharedParts } from './graniteParts';

/** Granite 3: llama with factors of embeddings, scores, of what each part of a block adds, and of logits. */
export const granite: ArchitectureDescription = {
  name: 'granite',
  family: 'Granite 3 (dense)',
  classes: { GraniteForCausalLM: 'granite' },
  forward: { rotation: 'pairs', activation: 'silu', scales: true },
  convert(config) {
    const { decoder, keyValues } = readGranite(config);
    const bias = biasIf(config, 'attention_bias');
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues,
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { bias, outputBias: bias, interleaved: true }),
          ...gatedParts(decoder, biasIf(config, 'mlp_bias')),
        ]),
      ],
    };
  },
};

/** Granite 3 with experts, and with a network besides them that all tokens go through. */
export const graniteMoe: ArchitectureDescription = {
  name: 'granitemoe',
  family: 'Granite 3 with experts',
  classes: { GraniteMoeForCausalLM: 'granitemoe', GraniteMoeSharedForCausalLM: 'granitemoeshared' },
  forward: { rotation: 'pairs', activation: 'silu', scales: true, normalizedExperts: true },
  convert(config) {
    config.expect('attention_bias', false, false);
    const { decoder, keyValues } = readGranite(config);
    const experts = readGraniteExperts(config, decoder);
    const hasShared = config.isOf('GraniteMoeSharedForCausalLM', 'granitemoeshared');
    const shared = hasShared ? config.integer('shared_intermediate_size', 0, 0) : 0;
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...keyValues,
        ...experts.keyValues,
        ...(shared > 0 ? [u32('expert_shared_feed_forward_length', shared)] : []),
      ],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { interleaved: true }),
          ...experts.parts,
          ...(shared > 0 ? sharedParts(decoder, shared, '_shexp') : []),
        ]),
      ],
    };
  },
};
