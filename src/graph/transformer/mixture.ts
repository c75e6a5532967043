import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import type { BlockShape } from './blockShape';
import { scoredOfGroup } from './routing';
import { hiddenScore } from './sequence';

/** What one expert has of a tensor that merges those of all: "ffn_up_exps.weight" → "ffn_up_exps.3.weight". */
export const ofExpert = (tensor: string, expert: number): string =>
  tensor.replace(/\.(weight|bias)$/, `.${expert}.$1`);

/** Added to the scores of experts where they are compared: `[experts]`. */
export const expertBias = 'exp_probs_b.bias';

/**
 * The share of each expert in the output of each token, `[experts, n]`: of softmax over all, or of each one's sigmoid, the largest `used`
 * (the first of equals), made to add up to 1 where the architecture wants it; 0 for the others. `routeTokens` does the same outside a graph.
 * @param router logits `[n, experts]`.
 * @param bias added where scores are compared.
 */
export function expertShares(
  ops: Ops,
  router: Value,
  { used, normalized, scale, gating, groups }: NonNullable<BlockShape['experts']>,
  bias?: Value,
): Value {
  const { graph } = ops;
  const all = gating === 'sigmoid' ? ops.sigmoid(router) : ops.softmax(router);
  const biased = bias === undefined ? all : ops.add(all, bias);
  const compared = groups === undefined ? biased : insideBestGroups(ops, biased, groups);
  const [best, indices] = graph.several(2, 'TopK', [compared, graph.ints([used])], { axis: -1 });
  const chosen = bias === undefined ? best! : graph.node('GatherElements', [all, indices!], { axis: 1 });
  const shares = normalized ? ops.div(chosen, ops.sumLast(chosen)) : chosen;
  const scaled = scale === 1 ? shares : ops.mul(shares, scale);
  const none = graph.node('ConstantOfShape', [graph.node('Shape', [all])]);
  return ops.transpose(graph.node('ScatterElements', [none, indices!, scaled], { axis: 1 }), [1, 0]);
}

/** Scores `[n, experts]` of those in the chosen groups; very small elsewhere. */
function insideBestGroups(
  ops: Ops,
  scores: Value,
  { count, used }: NonNullable<NonNullable<BlockShape['experts']>['groups']>,
): Value {
  const { graph } = ops;
  const largest = (values: Value, most: number) =>
    graph.several(2, 'TopK', [values, graph.ints([most])], { axis: -1 }) as [Value, Value];
  const grouped = ops.reshape(scores, [0, count, -1]);
  const ofGroups = ops.reshape(ops.sumLast(largest(grouped, scoredOfGroup)[0]), [0, count]);
  const [best, indices] = largest(ofGroups, used);
  const none = graph.node('ConstantOfShape', [graph.node('Shape', [ofGroups])]);
  const ones = ops.add(ops.mul(best, 0), 1);
  const kept = ops.reshape(graph.node('ScatterElements', [none, indices, ones], { axis: 1 }), [0, count, 1]);
  const inside = ops.where(ops.greater(kept, 0), grouped, hiddenScore);
  return ops.reshape(inside, [0, -1]);
}

/**
 * Adds to the rows of `to` `[n, hidden]` what an expert gives for those of its tokens, times its share, or for these times it. Other rows do not go through it:
 * an expert that no token chose multiplies no row.
 * @param input of all experts, `[n, hidden]`.
 * @param shares of all experts, as `expertShares` has them.
 * @param run the expert: `[k, hidden]` → `[k, hidden]`.
 */
export function addExpert(
  ops: Ops,
  to: Value,
  input: Value,
  {
    shares,
    expert,
    scaledInputs,
  }: { readonly shares: Value; readonly expert: number; readonly scaledInputs?: true | undefined },
  run: (x: Value) => Value,
): Value {
  const { graph } = ops;
  const pick = (from: Value, rows: Value): Value => graph.node('Gather', [from, rows], { axis: 0 });
  const own = ops.reshape(pick(shares, graph.ints([expert])), [-1]);
  const rows = ops.reshape(graph.node('NonZero', [own]), [-1]);
  const share = ops.reshape(pick(own, rows), [-1, 1]);
  const picked = pick(input, rows);
  const output = scaledInputs ? run(ops.mul(picked, share)) : ops.mul(run(picked), share);
  return graph.node('ScatterND', [to, ops.reshape(rows, [-1, 1]), output], { reduction: 'add' });
}
