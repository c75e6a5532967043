import type { Value } from '../onnxWriter';
import { finish, startGraph, type BuiltGraph } from './blockGraph';
import type { EntryShape } from './carried';
import type { CarriedShape } from './carriedShape';
import type { DecoderShape } from './decoderShape';
import type { GraphOptions, GraphParts } from './graphParts';
import { startStreams } from './streams';

/** A decoder whose states are more than hidden vectors. */
export type CarryingDecoder = DecoderShape & { readonly carried: CarriedShape; readonly entry: EntryShape };

export const isCarrying = (shape: DecoderShape): shape is CarryingDecoder => shape.carried !== undefined;

/** The tensors that states before the first block are made of, by their names in GGUF. */
export const entryTensors = ({ entry }: DecoderShape): string[] => [
  'token_embd.weight',
  ...(entry?.table === undefined ? [] : [entry.table]),
  ...(entry?.tensors.keys() ?? []),
];

/**
 * The states before the first block: embeddings of tokens by their factor, `x` `[n, hidden]`, and of all layers as their table has them, `layers`
 * `[n, layers · size]`, where there are any, → `y` `[n, stateSize]`.
 */
export function entryGraph(shape: CarryingDecoder, options: GraphOptions): BuiltGraph {
  const { graph, parts } = startGraph('entry', { ...shape, tensors: shape.entry.tensors }, options);
  graph.output('y', entryValues(parts, shape).y, ['n', shape.stateSize]);
  return finish(graph, parts);
}

/** The inputs of that graph, and its output. */
export function entryValues(parts: GraphParts, { carried, hiddenSize }: CarryingDecoder) {
  const { ops } = parts;
  const x = ops.graph.input('x', ['n', hiddenSize]);
  const { streams, layers, kept } = carried;
  const states = streams > 1 ? startStreams(parts, x, streams, hiddenSize) : [x];
  const rows = layers && ops.graph.input('layers', ['n', layers.count * layers.size]);
  const embedded =
    layers && rows !== undefined ? [layerEmbeddings(parts, layers, { x, rows, hiddenSize })] : [];
  // No block takes keys and values before another has left them.
  const nothing = (): Value =>
    ops.add(
      ops.mul(ops.slice(x, -1, 0, 1), 0),
      ops.graph.table('nothing', [1, kept], new Float32Array(kept)),
    );
  return { x, y: ops.concat([...states, ...embedded, ...(kept > 0 ? [nothing()] : [])], -1) };
}

/** Embeddings of all layers `[n, layers · size]`: those of the table and a projection of that of the token, normed layer by layer. */
function layerEmbeddings(
  parts: GraphParts,
  { count, size }: NonNullable<CarriedShape['layers']>,
  { x, rows, hiddenSize }: { readonly x: Value; readonly rows: Value; readonly hiddenSize: number },
): Value {
  const { ops } = parts;
  const apart = (value: Value): Value => ops.reshape(value, [-1, count, size]);
  const projected = ops.mul(parts.linear(x, 'per_layer_model_proj'), 1 / Math.sqrt(hiddenSize));
  const normed = parts.norm(apart(projected), 'per_layer_proj_norm');
  const sum = ops.add(normed, ops.mul(apart(rows), Math.sqrt(size)));
  return ops.reshape(ops.mul(sum, Math.SQRT1_2), [-1, count * size]);
}
