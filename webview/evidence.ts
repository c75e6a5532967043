import type { EvidenceKind } from '../src/protocol/recipe';

/** What a method knows of the inputs of a matrix, in words: the rungs of evidence. */
export const evidenceWords: Readonly<Record<EvidenceKind, string>> = {
  none: 'weights alone',
  importance: 'importance',
  hessian: 'Hessian',
  activations: 'activations',
};
