import type { Value } from '../onnxWriter';
import type { BlockShape } from './blockShape';
import { scaled } from './carriedBlock';
import { gated } from './feedForward';
import type { GraphParts } from './graphParts';

/** Whether a block has experts beside its feed-forward network (Gemma 4): norms after both need what all chosen experts add, so that it ends after them. */
export const isClosed = ({ tensors }: Pick<BlockShape, 'tensors'>): boolean =>
  tensors.has('post_ffw_norm_2.weight');

/** Name of the norm before the experts. */
export const expertNorm = (block: BlockShape): string =>
  isClosed(block) ? 'pre_ffw_norm_2' : block.beforeFeedForward;

/** What the router scores in such a block: the states after attention `[n, hidden]`, normed with a weight of its own. */
export function routerStates(parts: GraphParts, { hiddenSize, epsilon }: BlockShape, x: Value): Value {
  const normed = parts.ops.rmsNorm(x, parts.weight('ffn_gate_inp.scale'), epsilon);
  return parts.ops.mul(normed, 1 / Math.sqrt(hiddenSize));
}

/** The output of such a block: of the states after attention, and of what its experts add up to, `[n, hidden]` each. */
export function closedStates(parts: GraphParts, block: BlockShape, x: Value, experts: Value): Value {
  const { ops } = parts;
  const names = { gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' };
  const dense = gated(parts, block, parts.norm(x, block.beforeFeedForward), names);
  const both = ops.add(parts.norm(dense, 'post_ffw_norm_1'), parts.norm(experts, 'post_ffw_norm_2'));
  return scaled(parts, ops.add(x, parts.norm(both, 'post_ffw_norm')));
}
