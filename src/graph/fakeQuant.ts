import type { Scheme } from '../protocol/formats';
import { groupLength } from '../quant/layout';
import { blockLength, ggml, isGraphType, type GraphGgmlType } from './ggmlSchemes';
import { gridGraph, isGraphGrid, type Extremes } from './gridGraph';
import { GraphBuilder, type Value } from './onnxWriter';
import { Ops } from './ops';

/** A scheme that can be expressed as a graph. */
export type GraphScheme =
  Extract<Scheme, { kind: 'grid' }> | { readonly kind: 'ggml'; readonly type: GraphGgmlType };

/** False for grids that graphs do not express and for ggml types whose searches are not worth one; the addon measures those. */
export function hasGraph(scheme: Scheme): scheme is GraphScheme {
  return scheme.kind === 'ggml' ? isGraphType(scheme.type) : isGraphGrid(scheme.grid);
}

/**
 * A graph that quantizes, decodes and compares: input `w` `[rows, columns]` (any number of rows), for scales of the whole
 * tensor also `min` and `max` `[1]`; outputs, one value per group of weights, `source` Σx², `decoded` Σx'², `error`
 * Σ(x − x')² and `largest` max|x − x'|. The groups are added up outside, in float64.
 */
export function fakeQuantGraph(scheme: GraphScheme, columns: number): Uint8Array {
  const ops = new Ops(new GraphBuilder('fake_quantization'));
  const w = ops.graph.input('w', ['rows', columns]);
  const group = lengthOfGroups(scheme, columns);
  const x = columns % group === 0 ? ops.reshape(w, [-1, group]) : padded(ops, w, columns, group);
  const decoded = quantize(ops, scheme, x);
  // Padding repeats the row's last weight; what it decodes to is not compared.
  const compared =
    columns % group === 0 ? { x, decoded } : { x: w, decoded: unpadded(ops, decoded, columns, group) };
  const difference = ops.sub(compared.x, compared.decoded);
  ops.graph.output('source', ops.sumLast(ops.square(compared.x)), ['groups', 1]);
  ops.graph.output('decoded', ops.sumLast(ops.square(compared.decoded)), ['groups', 1]);
  ops.graph.output('error', ops.sumLast(ops.square(difference)), ['groups', 1]);
  ops.graph.output('largest', ops.maxLast(ops.abs(difference)), ['groups', 1]);
  return ops.graph.finish();
}

/** Whether the graph of a scheme takes `min` and `max` of the tensor. */
export function takesTensorRange(scheme: GraphScheme): boolean {
  return scheme.kind === 'grid' && scheme.grid.group === 'tensor';
}

/** Weights that share a scale, or the row where that is the whole row or tensor. */
function lengthOfGroups(scheme: GraphScheme, columns: number): number {
  if (scheme.kind === 'grid') return groupLength(scheme.grid, columns);
  return blockLength(scheme.type) === 1 ? columns : blockLength(scheme.type);
}

function quantize(ops: Ops, scheme: GraphScheme, x: Value): Value {
  return scheme.kind === 'ggml'
    ? ggml(ops, scheme.type, x)
    : gridGraph(ops, scheme.grid, x, extremesOf(ops, scheme, x));
}

function extremesOf(ops: Ops, scheme: GraphScheme, x: Value): Extremes {
  if (takesTensorRange(scheme)) return { min: ops.graph.input('min', [1]), max: ops.graph.input('max', [1]) };
  return { min: ops.minLast(x), max: ops.maxLast(x) };
}

/** Rows padded to whole groups by repeating the last weight, which keeps every group's extremes. */
function padded(ops: Ops, w: Value, columns: number, group: number): Value {
  const missing = group - (columns % group);
  const pads = ops.graph.ints([0, 0, 0, missing]);
  return ops.reshape(ops.graph.node('Pad', [w, pads], { mode: 'edge' }), [-1, group]);
}

function unpadded(ops: Ops, decoded: Value, columns: number, group: number): Value {
  const rows = ops.reshape(decoded, [-1, Math.ceil(columns / group) * group]);
  return ops.graph.node('Slice', [rows, ops.graph.ints([0]), ops.graph.ints([columns]), ops.graph.ints([1])]);
}
