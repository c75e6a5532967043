import type { Checkpoint } from './checkpoint';
import { gated, type Layer } from './decoder';
import { add, largest, scale, softmax, type Vector } from './math';

/** Σ p · expert(x) over the best experts; p over all, or over the best only. */
export function experts(
  router: (x: Vector) => Vector,
  all: readonly Layer[],
  used: number,
  { normalize, factor = 1 }: { normalize: boolean; factor?: number },
): Layer {
  return (x) => {
    const shares = softmax(router(x));
    const best = largest(shares, used);
    const sum = best.reduce((total, expert) => total + shares[expert]!, 0);
    return best
      .map((expert) => scale(all[expert]!(x), (factor * shares[expert]!) / (normalize ? sum : 1)))
      .reduce(add);
  };
}

/** DeepSeek V3 (section 2.1.2): a bias takes part in the choice, and only the best groups of experts are looked at. */
export function biasedExperts(
  router: (x: Vector) => Vector,
  all: readonly Layer[],
  used: number,
  { bias, groups, groupsUsed, factor }: { bias: Vector; groups: number; groupsUsed: number; factor: number },
): Layer {
  const size = all.length / groups;
  return (x) => {
    const shares = router(x).map((score) => 1 / (1 + Math.exp(-score)));
    const biased = add(shares, bias);
    const groupScores = Float64Array.from({ length: groups }, (_, group) => {
      const inside = biased.slice(group * size, (group + 1) * size);
      return largest(inside, 2).reduce((sum, expert) => sum + inside[expert]!, 0);
    });
    const kept = new Set(largest(groupScores, groupsUsed));
    const best = largest(
      biased.map((score, expert) => (kept.has(Math.floor(expert / size)) ? score : -Infinity)),
      used,
    );
    const sum = best.reduce((total, expert) => total + shares[expert]!, 0);
    return best.map((expert) => scale(all[expert]!(x), (factor * shares[expert]!) / sum)).reduce(add);
  };
}

export function expertLayers(checkpoint: Checkpoint, prefix: string, count: number): Layer[] {
  return Array.from({ length: count }, (_, i) => gated(checkpoint, `${prefix}.${i}`));
}
