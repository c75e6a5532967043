import { GraphBuilder, type Value } from '../onnxWriter';
import { Ops } from '../ops';
import type { BlockShape } from './blockShape';
import type { DecoderShape } from './decoderShape';
import {
  GraphParts,
  type GradientProduct,
  type GraphOptions,
  type Tap,
  type WeightGradient,
} from './graphParts';
import { placesIn } from './carriedShape';
import { carriedBlock, scaled } from './carriedBlock';
import { closedStates, expertNorm, isClosed, routerStates } from './closing';
import { gated } from './feedForward';
import { addExpert, expertBias, expertShares } from './mixture';
import { mixed } from './mixers';
import type { Sequence } from './sequence';
import type { Span } from './span';
import { joinStreams } from './streams';

/** A graph and what it measures. */
export interface BuiltGraph {
  readonly bytes: Uint8Array;
  readonly taps: readonly Tap[];
  /** Matrices whose gradients it gives. */
  readonly products?: readonly GradientProduct[];
  /** Weights whose gradients it gives. */
  readonly weights?: readonly WeightGradient[];
}

/**
 * A block: `x` `[n, stateSize]`, whole windows of `span.length` tokens one below the other, → `y` alike. A block with experts
 * ends before them: besides `y`, which lacks what the chosen experts add, it gives their input `routed` and the router's logits
 * `router` `[n, experts]`.
 */
export function blockGraph(block: BlockShape, span: Span, options: GraphOptions): BuiltGraph {
  const { graph, parts } = startGraph('block', block, options);
  const width = blockWidth(block);
  const x = graph.input('x', ['n', width]);
  const { y, mixture } = blockValues(parts, block, span, x);
  if (mixture) {
    graph.output('router', mixture.router, ['n', mixture.experts]);
    graph.output('routed', mixture.routed, ['n', block.hiddenSize]);
  }
  graph.output('y', y, ['n', width]);
  return finish(graph, parts);
}

/** Numbers of a token's state before and after a block. */
export const blockWidth = ({ hiddenSize, carried }: BlockShape): number =>
  carried ? placesIn(hiddenSize, carried).end : hiddenSize;

/** What a block's graph computes: y, and for a block with experts what they need. */
export interface BlockValues {
  readonly y: Value;
  readonly mixture?: { readonly routed: Value; readonly router: Value; readonly experts: number };
}

export function blockValues(parts: GraphParts, block: BlockShape, span: Span, x: Value): BlockValues {
  const { experts, carried } = block;
  if (carried) return { y: carriedBlock(parts, { ...block, carried }, span, x) };
  if (!experts) return { y: denseBlock(parts, block, span, x) };
  const { routed, router, rest } = beforeExperts(parts, block, span, x);
  return { y: rest, mixture: { routed, router, experts: experts.count } };
}

/** A block without experts, perhaps without any feed-forward network: x → y of the same shape. */
export function denseBlock(parts: GraphParts, block: BlockShape, tokens: Span | Sequence, x: Value): Value {
  const names = { gate: 'ffn_gate', up: 'ffn_up', down: 'ffn_down' };
  const input = mixerInput(parts, block, x);
  const middle = afterMixing(parts, block, tokens, x, input);
  if (block.parallel) return parts.ops.add(middle, gated(parts, block, input, names));
  if (!parts.has(`${names.down}.weight`)) return middle;
  const output = gated(parts, block, parts.norm(middle, block.beforeFeedForward), names);
  return scaled(parts, parts.ops.add(middle, added(parts, block, parts.norm(output, 'post_ffw_norm'))));
}

/**
 * A block with experts: x → y of the same shape. Which experts a token goes through is decided inside the graph.
 * @param partsOf the parts of one of the experts; their shapes are those of one.
 */
export function mixtureBlock(
  parts: GraphParts,
  { experts, ...block }: BlockShape & Required<Pick<BlockShape, 'experts'>>,
  sequence: Sequence,
  x: Value,
  partsOf: (expert: number, tensors: BlockShape['tensors']) => GraphParts,
): Value {
  const { ops } = parts;
  const { routed, router, rest } = beforeExperts(parts, block, sequence, x);
  const bias = parts.has(expertBias) ? parts.weight(expertBias) : undefined;
  const shares = expertShares(ops, router, experts, bias);
  const tensors = ofOneExpert(block);
  const sum = Array.from({ length: experts.count }, (_, expert) => expert).reduce(
    (to, expert) =>
      addExpert(ops, to, routed, { shares, expert, scaledInputs: experts.scaledInputs }, (rows) =>
        gated(partsOf(expert, tensors), block, rows, expertNames),
      ),
    isClosed(block) ? ops.mul(routed, 0) : rest,
  );
  return isClosed(block) ? closedStates(parts, block, rest, sum) : sum;
}

/** The input of the experts, the router's logits, and the output of the block without what the chosen experts add. */
function beforeExperts(parts: GraphParts, block: BlockShape, tokens: Span | Sequence, x: Value) {
  const middle = afterMixing(parts, block, tokens, x, mixerInput(parts, block, x));
  const routed = parts.norm(middle, expertNorm(block));
  const shared = parts.has('ffn_down_shexp.weight') ? sharedExpert(parts, block, routed) : undefined;
  const router = parts.linear(isClosed(block) ? routerStates(parts, block, middle) : routed, 'ffn_gate_inp');
  return {
    routed,
    router,
    rest: shared === undefined ? middle : parts.ops.add(middle, added(parts, block, shared)),
  };
}

const expertNames = { gate: 'ffn_gate_exps', up: 'ffn_up_exps', down: 'ffn_down_exps' };

/** Shapes of the tensors of one expert: matrices, and vectors of biases. */
const ofOneExpert = ({ tensors }: Pick<BlockShape, 'tensors'>): BlockShape['tensors'] =>
  new Map([...tensors].map(([part, shape]) => [part, shape.slice(part.endsWith('.bias') ? -1 : -2)]));

/** A block that is only a network has its norm before that. */
const mixerInput = (parts: GraphParts, { mixers }: BlockShape, x: Value): Value =>
  mixers.length === 0 ? x : parts.norm(x, 'attn_norm');

function afterMixing(
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  x: Value,
  input: Value,
): Value {
  const change = mixed(parts, block, tokens, input);
  if (change === undefined) return x;
  const { afterAttention: norm } = block;
  return parts.ops.add(x, added(parts, block, norm === undefined ? change : parts.norm(change, norm)));
}

/** What a part of a block adds, by the block's factor. */
const added = ({ ops }: GraphParts, { addedScale }: BlockShape, x: Value): Value =>
  addedScale === undefined ? x : ops.mul(x, addedScale);

/** A block as one of its experts sees it. */
export const expertShape = (block: BlockShape): BlockShape => ({ ...block, tensors: ofOneExpert(block) });

/** What one expert gives: `[n, hidden]` → `[n, hidden]`. */
export const expertValue = (parts: GraphParts, block: BlockShape, x: Value): Value =>
  gated(parts, block, x, expertNames);

/** One expert of a block: `x` → `y`, `[n, hidden]` both. Its matrices are parts of those of all experts. */
export function expertGraph(block: BlockShape, options: GraphOptions): BuiltGraph {
  const { graph, parts } = startGraph('expert', expertShape(block), options);
  const x = graph.input('x', ['n', block.hiddenSize]);
  const norm = `${expertNorm(block)}.weight`;
  if (block.tensors.has(norm)) parts.given(x, norm);
  graph.output('y', expertValue(parts, block, x), ['n', block.hiddenSize]);
  return finish(graph, parts);
}

/**
 * The end of a block that has one after its experts: states after attention `x`, and what the experts add up to, `experts`, → `y`, `[n, hidden]`
 * each.
 */
export function closingGraph(block: BlockShape, options: GraphOptions): BuiltGraph {
  const { graph, parts } = startGraph('closing', block, options);
  const [x, experts] = ['x', 'experts'].map((name) => graph.input(name, ['n', block.hiddenSize]));
  graph.output('y', closedStates(parts, block, x!, experts!), ['n', block.hiddenSize]);
  return finish(graph, parts);
}

/** What is measured in a block, and in each of its experts. */
export function blockTaps(block: BlockShape): {
  readonly dense: readonly Tap[];
  readonly ofExpert: readonly Tap[];
} {
  const options: GraphOptions = { bind: (graph, part, shape) => graph.input(part, shape), taps: {} };
  return {
    dense: [
      ...blockGraph(block, { length: 1 }, options).taps,
      ...(isClosed(block) ? closingGraph(block, options).taps : []),
    ],
    ofExpert: block.experts ? expertGraph(block, options).taps : [],
  };
}

/** The last norm: `x` `[n, stateSize]` → `y` `[n, hidden]`. */
export function normGraph(shape: DecoderShape, options: GraphOptions): BuiltGraph {
  const { graph, parts } = startGraph('norm', { ...shape, tensors: shape.lastNorm }, options);
  const x = graph.input('x', ['n', shape.stateSize]);
  graph.output('y', normedStates(parts, shape, x), ['n', shape.hiddenSize]);
  return finish(graph, parts);
}

/** Hidden states after the last norm, of the states `[n, stateSize]` after the last block. */
export function normedStates(parts: GraphParts, shape: DecoderShape, x: Value): Value {
  const { hiddenSize, carried, lastNormName } = shape;
  if (!carried) return parts.norm(x, lastNormName);
  const { streams } = carried;
  const hidden =
    streams > 1 ? joinStreams(parts, x, streams, hiddenSize) : parts.ops.slice(x, -1, 0, hiddenSize);
  return parts.norm(hidden, lastNormName);
}

/** Some rows of the output matrix: `x` `[n, hidden]` → logits `y` `[n, rows]`. */
export function logitsGraph(
  { hiddenSize, epsilon, output, ...change }: DecoderShape,
  rows: number,
  options: GraphOptions,
): BuiltGraph {
  const tensors = new Map([[output, [rows, hiddenSize]]]);
  const { graph, ops, parts } = startGraph('logits', { tensors, epsilon }, options);
  const x = graph.input('x', ['n', hiddenSize]);
  const logits = parts.linear(x, output.replace(/\.weight$/, ''));
  graph.output('y', ops.logits(logits, change), ['n', rows]);
  return finish(graph, parts);
}

/** An empty graph, and what weights it is built of. */
export function startGraph(
  name: string,
  { tensors, epsilon, centredNorms }: Pick<BlockShape, 'tensors' | 'epsilon' | 'centredNorms'>,
  options: GraphOptions,
) {
  const graph = new GraphBuilder(name);
  const ops = new Ops(graph);
  return { graph, ops, parts: new GraphParts(ops, tensors, epsilon, options, centredNorms) };
}

export function finish(graph: GraphBuilder, parts: GraphParts): BuiltGraph {
  const taps = parts.finishTaps();
  return { bytes: graph.finish(), taps };
}

/** The expert that all tokens go through, with its own gate where there is one. */
function sharedExpert(parts: GraphParts, block: BlockShape, x: Value): Value {
  const { ops } = parts;
  const names = { gate: 'ffn_gate_shexp', up: 'ffn_up_shexp', down: 'ffn_down_shexp' };
  const output = gated(parts, block, x, names);
  if (!parts.has('ffn_gate_inp_shexp.weight')) return output;
  parts.usedBy(x, 'ffn_gate_inp_shexp.weight');
  const weight = ops.reshape(parts.weight('ffn_gate_inp_shexp.weight'), [1, block.hiddenSize]);
  return ops.mul(output, ops.sigmoid(ops.linear(x, weight)));
}
