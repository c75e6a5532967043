import type { TypeCause } from '../../../src/protocol/export';

/** Why a tensor gets its type, as a badge says it. */
export const causes: Readonly<Record<TypeCause, { badge: string; meaning: string }>> = {
  default: { badge: 'default', meaning: 'the file type’s own type' },
  mixture: { badge: 'mixture', meaning: 'the file type gives this tensor more or fewer bits' },
  output: { badge: 'output', meaning: 'the requested output type' },
  embedding: { badge: 'embedding', meaning: 'the requested token-embedding type' },
  rule: { badge: 'rule', meaning: 'a tensor-type rule' },
  plan: { badge: 'plan', meaning: 'the mixed-precision plan' },
  fallback: { badge: 'fallback', meaning: 'row length is not a multiple of the requested type’s block size' },
  kept: { badge: 'kept', meaning: 'not a weight matrix, or left unchanged' },
  computed: { badge: 'computed', meaning: 'follows from the configuration' },
};
