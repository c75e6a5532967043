import type { TypeCause } from '../../../src/protocol/export';

/** Why a tensor gets its type, as a badge says it. */
export const causes: Readonly<Record<TypeCause, { badge: string; meaning: string }>> = {
  default: { badge: 'default', meaning: 'the file type’s own type' },
  mixture: { badge: 'mixture', meaning: 'the file type gives this tensor more or fewer bits' },
  output: { badge: 'output', meaning: 'the output type that was asked for' },
  embedding: { badge: 'embedding', meaning: 'the token-embedding type that was asked for' },
  rule: { badge: 'rule', meaning: 'a tensor-type rule' },
  plan: { badge: 'plan', meaning: 'the mixed-precision plan' },
  fallback: { badge: 'fallback', meaning: 'rows are not whole blocks of the wanted type' },
  kept: { badge: 'kept', meaning: 'not a matrix of weights, or left as it is' },
  computed: { badge: 'computed', meaning: 'follows from the configuration' },
};
