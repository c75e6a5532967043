import type { ArchitectureDescription } from '../description';
import { bool } from '../keyValues';
import { llama } from './llama';

/** Llama whose tokens see later ones, too: llama-embed-nemotron. llama.cpp has an architecture of its own for it. */
export const llamaEmbed: ArchitectureDescription = {
  name: 'llama-embed',
  family: 'llama-embed',
  classes: { LlamaBidirectionalModel: 'llama_bidirec' },
  embeds: true,
  forward: { rotation: 'pairs', activation: 'silu' },
  convert(config) {
    config.known('pooling', 'temperature'); // of its head for classification; embeddings are pooled by 1_Pooling
    const converted = llama.convert(config);
    return { ...converted, keyValues: [...converted.keyValues, bool('attention.causal', false)] };
  },
};
