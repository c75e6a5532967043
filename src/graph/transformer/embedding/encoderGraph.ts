import type { Value } from '../../onnxWriter';
import { startGraph, type BuiltGraph } from '../blockGraph';
import { gated } from '../feedForward';
import type { GraphOptions, GraphParts } from '../graphParts';
import { projections } from '../projections';
import { rotationTables } from '../rotation';
import { hiddenScore } from '../sequence';
import type { EncoderBlock } from './encoderShape';

const feedForward = { gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' };

/**
 * A block of an encoder: the states `x` of one text, `[n, hidden]`, → `y` alike. Where a block sees a window only, the positions from 0 to
 * n − 1 are a second input, `positions` `[n]`.
 * @param longest tokens that a text has at most.
 */
export function encoderGraph(block: EncoderBlock, longest: number, options: GraphOptions): BuiltGraph {
  const { graph, ops, parts } = startGraph('encoder block', block, options);
  const x = graph.input('x', ['n', block.hiddenSize]);
  const input = block.normsAfter ? x : parts.norm(x, 'attn_norm');
  const attended = parts.linear(attention(parts, block, longest, input), 'attn_output');
  const sum = ops.add(x, attended);
  const middle = block.normsAfter ? parts.norm(sum, 'attn_output_norm') : sum;
  const inner = block.normsAfter ? middle : parts.norm(middle, 'ffn_norm');
  const output = ops.add(middle, gated(parts, block, inner, feedForward));
  const y = block.normsAfter ? parts.norm(output, 'layer_output_norm') : output;
  graph.output('y', y, ['n', block.hiddenSize]);
  return { bytes: graph.finish(), taps: [] };
}

/** `[n, hidden]` → `[n, heads · headSize]`; every token sees all others, or those within reach. */
function attention(parts: GraphParts, block: EncoderBlock, longest: number, x: Value): Value {
  const { ops } = parts;
  const { heads, headSize } = block;
  const projected = projections(parts, block, x);
  const split = (value: Value): Value =>
    ops.transpose(ops.reshape(value, [1, -1, heads, headSize]), [0, 2, 1, 3]);
  const turned = (value: Value): Value => rotate(parts, block, longest, split(value));
  const query = ops.mul(turned(projected.query), 1 / Math.sqrt(headSize));
  const scores = ops.matmul(query, ops.transpose(turned(projected.key), [0, 1, 3, 2]));
  const shares = ops.softmax(withinReach(parts, block, scores));
  const attended = ops.matmul(shares, split(projected.value));
  return ops.reshape(ops.transpose(attended, [0, 2, 1, 3]), [-1, heads * headSize]);
}

function rotate(parts: GraphParts, { rotation }: EncoderBlock, longest: number, x: Value): Value {
  if (!rotation) return x;
  const { graph } = parts.ops;
  const tables = parts.once('rotation', () => {
    const { cos, sin } = rotationTables(rotation, longest);
    const dims = [longest, rotation.frequencies.length];
    return [graph.table('cos', dims, cos), graph.table('sin', dims, sin)];
  });
  return graph.node('RotaryEmbedding', [x, graph.ints([0]), ...tables], { interleaved: 0 }, 'contrib');
}

/** Scores `[1, heads, n, n]` of positions further away become so small that softmax makes them 0. */
function withinReach({ ops }: GraphParts, { reach }: EncoderBlock, scores: Value): Value {
  if (reach === undefined) return scores;
  const keys = ops.graph.input('positions', ['n']);
  const distance = ops.abs(ops.sub(ops.reshape(keys, [-1, 1]), keys));
  return ops.add(scores, ops.where(ops.greater(distance, reach), hiddenScore, 0));
}
