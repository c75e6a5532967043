import { QuantscopeError } from '../../model/errors';
import type { GraphNode, Value } from '../onnxWriter';
import type { Ops } from '../ops';
import { elementwise } from './elementwise';
import { layout } from './layout';
import type { Operator, PassedNode } from './operator';
import { overAxes } from './overAxes';
import { products } from './products';
import { shapeOf, type Shape } from './sizes';
import { said } from '../../protocol/said';

const operators: Readonly<Record<string, Operator>> = { ...elementwise, ...products, ...layout, ...overAxes };

/**
 * Reverse mode: adds nodes to a graph that compute the gradient of Σ ⟨incoming, output⟩ over some outputs with respect to some values.
 * @param incoming the gradient with respect to each output, of its shape, by the output.
 * @param wanted values that outputs depend on: inputs, weights, or results of nodes.
 * @returns the gradient with respect to each wanted value, of its shape.
 * @throws QuantscopeError UNSUPPORTED naming an operator whose gradient is not known, with the reason.
 * @throws RangeError for a wanted value that no output depends on.
 */
export function addGradients(
  ops: Ops,
  incoming: ReadonlyMap<Value, Value>,
  wanted: readonly Value[],
): ReadonlyMap<Value, Value> {
  const nodes = [...ops.graph.nodes];
  const reached = dependents(nodes, wanted);
  const shapes = new Shapes(ops, nodes);
  const found = new Map(incoming);
  for (const node of nodes.reverse()) {
    const output = node.outputs.find((value) => reached.has(value) && found.has(value));
    if (output === undefined) continue;
    for (const [input, value] of node.inputs.entries()) {
      if (!reached.has(value)) continue;
      const part = gradientOf(ops, shapes, { node, output, input, incoming: found.get(output)! });
      const sum = found.get(value);
      if (part !== undefined) found.set(value, sum === undefined ? part : ops.add(sum, part));
    }
  }
  return new Map(
    wanted.map((value) => {
      const gradient = found.get(value);
      if (gradient === undefined) throw new RangeError(`no output depends on ${value}`);
      return [value, gradient];
    }),
  );
}

/** Wanted values and all that depend on them. */
function dependents(nodes: readonly GraphNode[], wanted: readonly Value[]): ReadonlySet<Value> {
  const reached = new Set(wanted);
  for (const { inputs, outputs } of nodes)
    if (inputs.some((value) => reached.has(value))) for (const output of outputs) reached.add(output);
  return reached;
}

interface Passing {
  readonly node: GraphNode;
  readonly output: Value;
  readonly input: number;
  readonly incoming: Value;
}

function gradientOf(ops: Ops, shapes: Shapes, { node, output, input, incoming }: Passing): Value | undefined {
  const at: PassedNode = {
    ...{ node, graph: ops.graph, ops, inputs: node.inputs, output, incoming },
    ...{ shape: shapes.of(output), shapes: node.inputs.map((value) => shapes.of(value)) },
  };
  return passing(node, () => operatorOf(node).gradient(at, input));
}

/** Shapes of values, found when they are needed. */
class Shapes {
  private readonly known = new Map<Value, Shape>();
  private readonly makers: ReadonlyMap<Value, GraphNode>;

  constructor(
    private readonly ops: Ops,
    nodes: readonly GraphNode[],
  ) {
    this.makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node])));
  }

  of(value: Value): Shape {
    const known = this.known.get(value) ?? this.find(value);
    this.known.set(value, known);
    return known;
  }

  private find(value: Value): Shape {
    const { graph } = this.ops;
    const stated = graph.shapeOf(value);
    if (stated) return shapeOf(stated);
    const node = this.makers.get(value);
    if (!node) throw new RangeError(`the graph has no value ${value}`);
    const shapes = node.inputs.map((input) => this.of(input));
    return passing(node, () => operatorOf(node).shape({ node, graph, shapes }));
  }
}

function operatorOf({ op }: GraphNode): Operator {
  const found = Object.hasOwn(operators, op) ? operators[op] : undefined;
  if (found) return found;
  throw new QuantscopeError('UNSUPPORTED', said`Gradients cannot pass the operator ${op}.`);
}

/** Names the operator in errors. */
function passing<T>({ op }: GraphNode, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const message = said`Gradients cannot pass the operator ${op} here: ${cause.message}.`;
    throw new QuantscopeError('UNSUPPORTED', message, {}, cause);
  }
}
