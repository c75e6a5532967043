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

export function expertLayers(checkpoint: Checkpoint, prefix: string, count: number): Layer[] {
  return Array.from({ length: count }, (_, i) => gated(checkpoint, `${prefix}.${i}`));
}
