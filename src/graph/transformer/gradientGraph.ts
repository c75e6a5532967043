import { addGradients } from '../gradient/gradients';
import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import {
  blockValues,
  blockWidth,
  expertShape,
  expertValue,
  normedStates,
  startGraph,
  type BuiltGraph,
} from './blockGraph';
import type { BlockShape } from './blockShape';
import { closedStates } from './closing';
import type { DecoderShape } from './decoderShape';
import { entryValues, type CarryingDecoder } from './entryGraph';
import type { GradientProduct, GraphOptions, GraphParts, Product, WeightGradient } from './graphParts';
import type { Span } from './span';

/** What a graph gives besides the gradient of its input: gradients at the outputs of its matrices, with their inputs, or of all its weights. */
export type GradientKind = 'outputs' | 'weights';

/**
 * The gradient of a block: `x` as its graph has it and the gradient `grad_y` with respect to y, → `grad_x`, all `[n, stateSize]`, and the
 * gradients of the kind. A block with experts takes what comes back from them, too: `grad_routed` `[n, hidden]` and `grad_router` `[n, experts]`.
 * Nothing that is forward only is computed.
 * @throws QuantscopeError UNSUPPORTED naming an operator that gradients cannot pass.
 */
export function blockGradientGraph(
  block: BlockShape,
  span: Span,
  kind: GradientKind,
  options: GraphOptions,
): BuiltGraph {
  const { graph, parts } = startGraph('block_gradient', block, options);
  const width = blockWidth(block);
  const x = graph.input('x', ['n', width]);
  const { y, mixture } = blockValues(parts, block, span, x);
  const incoming = new Map([[y, graph.input('grad_y', ['n', width])]]);
  if (mixture) {
    incoming.set(mixture.routed, graph.input('grad_routed', ['n', block.hiddenSize]));
    incoming.set(mixture.router, graph.input('grad_router', ['n', mixture.experts]));
  }
  return finishGradients(parts, incoming, x, kind);
}

/**
 * The gradient of one expert: `x` and `grad_y` → `grad_x`, `[n, hidden]` each, and the expert's output `y`, which the gradient of its
 * share is a product with.
 */
export function expertGradientGraph(
  block: BlockShape,
  kind: GradientKind,
  options: GraphOptions,
): BuiltGraph {
  const { graph, parts } = startGraph('expert_gradient', expertShape(block), options);
  const x = graph.input('x', ['n', block.hiddenSize]);
  const y = expertValue(parts, block, x);
  graph.output('y', y, ['n', block.hiddenSize]);
  const incoming = new Map([[y, graph.input('grad_y', ['n', block.hiddenSize])]]);
  return finishGradients(parts, incoming, x, kind);
}

/** The gradient of what makes states of embeddings: its inputs and `grad_y` `[n, stateSize]` → `grad_x` `[n, hidden]` and the gradients of its weights. */
export function entryGradientGraph(shape: CarryingDecoder, options: GraphOptions): BuiltGraph {
  const { tensors } = shape.entry;
  const { graph, parts } = startGraph('entry_gradient', { ...shape, tensors }, options);
  const { x, y } = entryValues(parts, shape);
  const incoming = new Map([[y, graph.input('grad_y', ['n', shape.stateSize])]]);
  return finishGradients(parts, incoming, x, 'weights');
}

/** The gradient of the end of a block after its experts: its inputs and `grad_y` → `grad_x` and `grad_experts`, `[n, hidden]` each, and those of the kind. */
export function closingGradientGraph(
  block: BlockShape,
  kind: GradientKind,
  options: GraphOptions,
): BuiltGraph {
  const { graph, parts } = startGraph('closing_gradient', block, options);
  const [x, experts, incoming] = ['x', 'experts', 'grad_y'].map((name) =>
    graph.input(name, ['n', block.hiddenSize]),
  ) as [Value, Value, Value];
  const y = closedStates(parts, block, x, experts);
  return finishGradients(parts, new Map([[y, incoming]]), x, kind, { grad_experts: experts });
}

/** The gradient of the last norm: `x` and `grad_y` → `grad_x` and the gradient of its weights. */
export function normGradientGraph(shape: DecoderShape, options: GraphOptions): BuiltGraph {
  const { graph, parts } = startGraph('norm_gradient', { ...shape, tensors: shape.lastNorm }, options);
  const x = graph.input('x', ['n', shape.stateSize]);
  const y = normedStates(parts, shape, x);
  const incoming = new Map([[y, graph.input('grad_y', ['n', shape.hiddenSize])]]);
  return finishGradients(parts, incoming, x, 'weights');
}

/**
 * Some rows of the output matrix as a part of the loss −ln p(label): states `x` `[n, hidden]` after the last norm, `normalizer` `[n, 1]`
 * (ln Σ e^logit over the whole vocabulary; ∞ for a token without a loss) and `label` `[n, 1]`, counted from the first of these rows →
 * `grad_x`, what these rows add to the gradient, and `variance` `[n, rows]`, the gradient's variance at each row's output: p (1 − p), exact
 * over all labels.
 */
export function logitsGradientGraph(
  { hiddenSize, epsilon, output, ...change }: DecoderShape,
  rows: number,
  options: GraphOptions,
): BuiltGraph {
  const tensors = new Map([[output, [rows, hiddenSize]]]);
  const { graph, ops, parts } = startGraph('logits_gradient', { tensors, epsilon }, options);
  const x = graph.input('x', ['n', hiddenSize]);
  const product = parts.linear(x, output.replace(/\.weight$/, ''));
  const logits = ops.logits(product, change);
  const p = ops.exp(ops.sub(logits, graph.input('normalizer', ['n', 1])));
  const gradient = ops.sub(p, oneHot(ops, graph.input('label', ['n', 1]), rows));
  const variance = ops.mul(ops.mul(p, ops.sub(1, p)), squaredSlope(ops, logits, change));
  graph.output('variance', variance, ['n', rows]);
  graph.output('grad_x', addGradients(ops, new Map([[logits, gradient]]), [x]).get(x)!, ['n', hiddenSize]);
  return { bytes: graph.finish(), taps: [], products: [] };
}

/**
 * Some rows of the output matrix as a part of the divergence Σ p(base) ln(p(base) / p): states `x` `[n, hidden]` after the last norm, the
 * logits of a base `base` `[n, rows]`, and `normalizer` and `base_normalizer` `[n, 1]` (ln Σ e^logit over the whole vocabulary) →
 * `grad_x`, what these rows add to the gradient, and the gradient of the rows.
 */
export function divergenceGradientGraph(
  { hiddenSize, epsilon, output, ...change }: DecoderShape,
  rows: number,
  options: GraphOptions,
): BuiltGraph {
  const tensors = new Map([[output, [rows, hiddenSize]]]);
  const { graph, ops, parts } = startGraph('divergence_gradient', { tensors, epsilon }, options);
  const x = graph.input('x', ['n', hiddenSize]);
  const product = parts.linear(x, output.replace(/\.weight$/, ''));
  const logits = ops.logits(product, change);
  const probability = (values: Value, normalizer: string): Value =>
    ops.exp(ops.sub(values, graph.input(normalizer, ['n', 1])));
  const base = probability(graph.input('base', ['n', rows]), 'base_normalizer');
  const gradient = ops.sub(probability(logits, 'normalizer'), base);
  return finishGradients(parts, new Map([[logits, gradient]]), x, 'weights');
}

/** Of s · x and c · tanh(x / c), by the value of both; 1 without either. */
function squaredSlope(
  ops: Ops,
  logits: Value,
  { logitScale = 1, logitCap: cap }: Pick<DecoderShape, 'logitScale' | 'logitCap'>,
): Value | number {
  const ofScale = logitScale ** 2;
  return cap === undefined
    ? ofScale
    : ops.mul(ops.square(ops.sub(1, ops.square(ops.div(logits, cap)))), ofScale);
}

/** 1 where a row's number is the label, else 0: labels are whole numbers below 2^24, exact in float32. */
function oneHot(ops: Ops, label: Value, rows: number): Value {
  const numbers = ops.graph.table(
    'numbers',
    [rows],
    Float32Array.from({ length: rows }, (_, i) => i),
  );
  return ops.where(ops.equal(numbers, label), 1, 0);
}

function finishGradients(
  parts: GraphParts,
  incoming: ReadonlyMap<Value, Value>,
  x: Value,
  kind: GradientKind,
  others: Readonly<Record<string, Value>> = {},
): BuiltGraph {
  const { ops } = parts;
  const { graph } = ops;
  const inputs = Object.entries({ grad_x: x, ...others });
  const weights = kind === 'weights' ? [...parts.weights] : [];
  const matrices = kind === 'outputs' ? [...parts.products] : [];
  const wanted = [...weights.map(([, value]) => value), ...matrices.map(([, { output }]) => output)];
  const gradients = addGradients(ops, incoming, [...inputs.map(([, value]) => value), ...wanted]);
  for (const [name, value] of inputs) graph.output(name, gradients.get(value)!, graph.shapeOf(value)!);
  return {
    ...{ taps: [], weights: weightOutputs(parts, weights, gradients) },
    ...{ products: productOutputs(parts, matrices, gradients), bytes: graph.finish() },
  };
}

type Gradients = ReadonlyMap<Value, Value>;

function weightOutputs(
  parts: GraphParts,
  weights: readonly (readonly [string, Value])[],
  gradients: Gradients,
): WeightGradient[] {
  return weights.map(([part, value], index) => {
    const [gradient, shape] = [`weight_gradient${index}`, parts.shape(part)];
    parts.ops.graph.output(gradient, gradients.get(value)!, shape);
    return { part, shape, gradient };
  });
}

function productOutputs(
  parts: GraphParts,
  matrices: readonly (readonly [string, Product])[],
  gradients: Gradients,
): GradientProduct[] {
  const { graph } = parts.ops;
  const inputs = new Map<Value, string>();
  return matrices.map(([part, { input, output, members }], index) => {
    const [rows, columns] = parts.shape(part).slice(-2) as [number, number];
    const dims = (size: number) => (members === undefined ? ['n', size] : [members, 'n', size]);
    const gradient = `gradient${index}`;
    graph.output(gradient, gradients.get(output)!, dims(rows));
    if (!inputs.has(input)) {
      inputs.set(input, `input${index}`);
      graph.output(`input${index}`, input, dims(columns));
    }
    const own = members === undefined ? {} : { members };
    return { part, ...own, rows, columns, gradient, input: inputs.get(input)! };
  });
}
