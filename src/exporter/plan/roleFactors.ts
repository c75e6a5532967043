import type { GgufView } from '../../architectures/ggufView';
import { architectureOf } from './architecture';
import { roleOf, type Role } from './roles';

/**
 * How much more than a feed-forward matrix of as many weights a tensor of each role changes the output with the same relative error.
 * docs/AMPQ.md has the evidence: gains measured on the sample, and the bits that the presets of llama.cpp add.
 */
const factors: Readonly<Record<Role, number>> = {
  output: 16,
  value: 4,
  down: 2,
  embedding: 2,
  key: 1,
  'attention output': 1,
  up: 1,
  gate: 1,
  other: 1,
  query: 0.5,
};

/** Queries, keys and values in one matrix: between the three. */
const fusedAttention = 2;

/**
 * The factor of each tensor by its name, for plans that nothing was measured for but errors. A matrix of merged experts counts for the
 * share of them that a token uses; an embedding that is the output matrix, too, counts as that.
 */
export function roleFactors(
  view: Pick<GgufView, 'architecture' | 'value'>,
  names: readonly string[],
): (name: string) => number {
  const isTied = !names.includes('output.weight');
  const { name: prefix, experts } = architectureOf(view);
  const used = Number(view.value(`${prefix}.expert_used_count`) ?? experts);
  const share = experts > 0 && used > 0 ? Math.min(1, used / experts) : 1;
  return (name) => {
    if (isTied && name === 'token_embd.weight') return factors.output;
    if (/attn_qkv\.weight$/.test(name)) return fusedAttention;
    return factors[roleOf(name)] * (/_exps\.weight$/.test(name) ? share : 1);
  };
}
