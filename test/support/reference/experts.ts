import type { Checkpoint } from './checkpoint';
import { gated, linear, type Layer } from './decoder';
import {
  activations,
  add,
  largest,
  multiply,
  rowsOf,
  scale,
  softmax,
  times,
  type Tensor,
  type Vector,
} from './math';

/** Equally many experts side by side are a group; only experts of the best groups are used. */
export interface Groups {
  readonly count: number;
  readonly used: number;
}

/** Σ p · expert(x) over the best experts; p over all, or over the best only. */
export function experts(
  router: (x: Vector) => Vector,
  all: readonly Layer[],
  used: number,
  { normalize, factor = 1, groups }: { normalize: boolean; factor?: number; groups?: Groups | undefined },
): Layer {
  return (x) => {
    const shares = softmax(router(x));
    const best = largest(groups ? insideBestGroups(shares, groups, 1) : shares, used);
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
  { bias, groups, factor }: { bias: Vector; groups: Groups; factor: number },
): Layer {
  return (x) => {
    const shares = router(x).map((score) => 1 / (1 + Math.exp(-score)));
    const best = largest(insideBestGroups(add(shares, bias), groups, 2), used);
    const sum = best.reduce((total, expert) => total + shares[expert]!, 0);
    return best.map((expert) => scale(all[expert]!(x), (factor * shares[expert]!) / sum)).reduce(add);
  };
}

/** Scores of the experts in the groups whose `summed` best experts have the largest sum; −∞ elsewhere. */
function insideBestGroups(scores: Vector, { count, used }: Groups, summed: number): Vector {
  const size = scores.length / count;
  const groupScores = Float64Array.from({ length: count }, (_, group) => {
    const inside = scores.slice(group * size, (group + 1) * size);
    return largest(inside, summed).reduce((sum, expert) => sum + inside[expert]!, 0);
  });
  const kept = new Set(largest(groupScores, used));
  return scores.map((score, expert) => (kept.has(Math.floor(expert / size)) ? score : -Infinity));
}

export function expertLayers(checkpoint: Checkpoint, prefix: string, count: number): Layer[] {
  if (checkpoint.has(`${prefix}.gate_up_proj`)) return fusedExperts(checkpoint, prefix, count);
  return Array.from({ length: count }, (_, i) => gated(checkpoint, `${prefix}.${i}`));
}

/** Gate above up in one tensor [count, 2 · size, hidden], down in another [count, hidden, size]. */
export function fusedExperts(
  checkpoint: Checkpoint,
  prefix: string,
  count: number,
  names = { both: 'gate_up_proj', down: 'down_proj' },
): Layer[] {
  const matrix = (name: string, expert: number): Tensor => {
    const { shape, data } = rowsOf(checkpoint.tensor(`${prefix}.${name}`), expert, 1);
    return { shape: shape.slice(1), data };
  };
  return Array.from({ length: count }, (_, expert) =>
    halves(matrix(names.both, expert), matrix(names.down, expert)),
  );
}

/** down(silu(upper half of both x) · lower half). */
export function halves(both: Tensor, down: Tensor): Layer {
  const size = both.shape[0]! / 2;
  return (x) => {
    const y = multiply(both, x);
    return multiply(down, times(y.slice(0, size).map(activations.silu), y.slice(size)));
  };
}

/** Experts of qwen, with a shared one where the checkpoint has it. */
export function qwenExperts(checkpoint: Checkpoint, normalizes = false): (prefix: string) => Layer {
  return (prefix) => {
    const mlp = `${prefix}.mlp`;
    const all = expertLayers(checkpoint, `${mlp}.experts`, checkpoint.number('num_experts'));
    const normalize = (checkpoint.config['norm_topk_prob'] ?? normalizes) === true;
    const used = checkpoint.number('num_experts_per_tok');
    const routed = experts(linear(checkpoint, `${mlp}.gate`), all, used, { normalize });
    if (!checkpoint.has(`${mlp}.shared_expert_gate.weight`)) return routed;
    const shared = gated(checkpoint, `${mlp}.shared_expert`);
    const gate = linear(checkpoint, `${mlp}.shared_expert_gate`);
    return (x) => add(routed(x), scale(shared(x), 1 / (1 + Math.exp(-gate(x)[0]!))));
  };
}
