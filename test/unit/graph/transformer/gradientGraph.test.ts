import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  blockGraph,
  closingGraph,
  expertGraph,
  expertShape,
  type BuiltGraph,
} from '../../../../src/graph/transformer/blockGraph';
import type { BlockShape } from '../../../../src/graph/transformer/blockShape';
import {
  blockGradientGraph,
  closingGradientGraph,
  expertGradientGraph,
  type GradientKind,
} from '../../../../src/graph/transformer/gradientGraph';
import { isClosed } from '../../../../src/graph/transformer/closing';
import type { Bind, GradientProduct } from '../../../../src/graph/transformer/graphParts';
import { describeDecoder } from '../../../../src/graph/transformer/openDecoder';
import type { Weights } from '../../../../src/graph/transformer/weights';
import { openModel } from '../../../../src/layouts/openModel';
import { runnableCheckpoints } from '../../../support/checkpoints';
import { temporaryFolder } from '../../../support/files';
import { derivative, inner, moved, RunnableGraph, type Feeds, type Values } from '../../../support/gradients';
import { Random } from '../../../support/random';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();
let random = new Random(31);
// What one test draws does not depend on the tests before it.
beforeEach(() => {
  random = new Random(31);
});
/**
 * Of the derivative, or of its usual size along a random direction where it is small. Values in float32 differ by a few of their last
 * digits, 1e-6 of them, which the step of 1/20 makes 2e-5; what is left of the step's own error is below 1e-3 where softmax bends most.
 */
const bound = 2e-3;
const usualSteps = [0.05];
/**
 * Heads that are made one long bend more, the shorter they are, and so do scores without a factor, decays are exponentials, and what comes out
 * of a network alone is its square: the first step that is small enough counts. What changes
 * little needs a long one, or the rounding of the rest hides it.
 */
const stepsOf = ({ mixers, unitValues }: BlockShape): readonly number[] =>
  unitValues || mixers.length === 0 || mixers.some(({ kind }) => kind === 'gatedDelta' || kind === 'mamba2')
    ? [...usualSteps, 0.02, 0.01, 0.005, 0.003, 0.001]
    : usualSteps;

const matrix = (dims: readonly number[], scale = 1): Values => ({
  dims,
  data: random.fill(
    dims.reduce((product, size) => product * size, 1),
    (source) => scale * source.normal(),
  ),
});

const hasNetwork = ({ tensors }: BlockShape): boolean =>
  ['ffn_down.weight', 'ffn_down_exps.weight'].some((part) => tensors.has(part));

/** Weights by part, and functions that build a graph with them as inputs. */
async function loadWeights(
  weights: Weights,
  { index, tensors }: BlockShape,
  rows?: (part: string) => { first: number; count: number },
): Promise<Feeds> {
  const loaded = new Map<string, Values>();
  for (const [part, dims] of tensors) {
    const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
    await weights.load(`blk.${index}.${part}`, data, rows ? { rows: rows(part) } : {});
    loaded.set(part, { dims, data });
  }
  return Object.fromEntries(loaded);
}

const bind: Bind = (graph, part, shape) => graph.input(part, shape);
const norm = (values: Float32Array): number => Math.sqrt(inner(values, values));

/** Compares a graph's gradients with differences of another's results, each weighted by what comes in. */
async function compare(
  forward: BuiltGraph,
  backward: BuiltGraph,
  weights: Feeds,
  x: Values,
  incoming: Readonly<Record<string, Values>>,
  steps: readonly number[] = usualSteps,
): Promise<number> {
  const [graph, gradients] = [
    await RunnableGraph.open(forward.bytes),
    await RunnableGraph.open(backward.bytes),
  ];
  const named = Object.fromEntries(Object.entries(incoming).map(([name, value]) => [`grad_${name}`, value]));
  const feeds: Feeds = { ...weights, x };
  const found = await gradients.run({ ...feeds, ...named });
  const total = async (changed: Feeds): Promise<number> => {
    const outputs = await graph.run({ ...feeds, ...changed });
    return Object.entries(incoming).reduce(
      (sum, [name, { data }]) => sum + inner(outputs[name]!.data, data),
      0,
    );
  };
  const along = async (name: string, gradient: Float32Array, values: Values): Promise<void> => {
    const size = norm(values.data) / Math.sqrt(values.data.length);
    const direction = random.fill(values.data.length, (source) => size * source.normal());
    const usual = (norm(gradient) * norm(direction)) / Math.sqrt(gradient.length);
    let error = Infinity;
    for (const step of steps) {
      const expected = await derivative((by) => total({ [name]: moved(values, direction, by) }), step);
      error = Math.abs(inner(gradient, direction) - expected) / Math.max(Math.abs(expected), usual);
      if (error < bound) break;
    }
    expect(error, name).toBeLessThan(bound);
  };
  await along('x', found['grad_x']!.data, x);
  for (const product of backward.products!)
    await along(product.part, weightGradient(product, found), weights[product.part]!);
  for (const { part, shape, gradient } of backward.weights!) {
    expect(shape, part).toEqual(weights[part]!.dims);
    await along(part, found[gradient]!.data, weights[part]!);
  }
  await graph.close();
  await gradients.close();
  return backward.products!.length + backward.weights!.length;
}

/** Σ g xᵀ over the rows of each matrix: the gradient with respect to the weights. */
function weightGradient(product: GradientProduct, found: Feeds): Float32Array {
  const { rows, columns, gradient, input, members = 1 } = product;
  const sum = new Float32Array(members * rows * columns);
  const [g, x] = [found[gradient]!.data, found[input]!.data];
  const tokens = g.length / rows;
  for (let token = 0; token < tokens; token++) {
    const first = rows * columns * Math.floor((token * members) / tokens);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        sum[first + i * columns + j]! += g[token * rows + i]! * x[token * columns + j]!;
  }
  return sum;
}

const written = new Map<string, Promise<string>>();

/** The folder of a checkpoint, which several tests read. */
function checkpointOf(name: string): Promise<string> {
  const path = join(folder, name);
  const known = written.get(name) ?? writeCheckpoint(path, name).then(() => path);
  written.set(name, known);
  return known;
}

/** The first two blocks; of those that hand on keys and values, one of each kind. */
function differentBlocks(blocks: readonly BlockShape[]): BlockShape[] {
  const kinds = new Map<string, BlockShape>();
  for (const block of blocks) {
    const { role = 'none', first = 0 } = block.carried?.keys ?? {};
    const kind = block.carried ? `${role} ${first}` : String(Math.min(block.index, 1));
    if (!kinds.has(kind)) kinds.set(kind, block);
  }
  return [...kinds.values()].map(withoutCorners);
}

/** Gates that count from a bound on have a corner there, where a difference is no derivative: the bound is moved below all of them. */
const withoutCorners = (block: BlockShape): BlockShape =>
  block.gateDeviations === undefined ? block : { ...block, gateDeviations: -8 };

describe('gradients of blocks are differences of their results', () => {
  it.each([
    ...runnableCheckpoints.map((name) => [name, 12, 'outputs'] as const),
    ...runnableCheckpoints.map((name) => [name, 12, 'weights'] as const),
    // More queries than are scored at a time.
    ...['llama', 'gemma3'].map((name) => [name, 300, 'outputs'] as const),
    // More tokens than are a chunk of a state, and not a whole number of them.
    ['mamba2', 75, 'outputs'] as const,
    ...['qwen3next', 'qwen35'].map((name) => [name, 150, 'outputs'] as const),
  ])('%s, windows of %i tokens, at %s', async (name, length, kind) => {
    const model = await openModel(await checkpointOf(name));
    const { shape, weights } = await describeDecoder(model, { length });
    for (const block of differentBlocks(shape.blocks)) {
      const { hiddenSize, experts, mixers } = block;
      const incoming = {
        y: matrix([2 * length, shape.stateSize]),
        ...(experts
          ? { routed: matrix([2 * length, hiddenSize]), router: matrix([2 * length, experts.count]) }
          : {}),
      };
      const compared = await compare(
        blockGraph(block, { length }, { bind }),
        blockGradientGraph(block, { length }, kind, { bind }),
        await loadWeights(weights, block),
        matrix([2 * length, shape.stateSize]),
        incoming,
        stepsOf(block),
      );
      const bound = [...block.tensors.keys()].filter(
        // What is added where experts are compared has no gradient, and an indexer that selects all tokens is no part of the graph.
        (part) => !/_exps\.|^exp_probs_b\.bias$|^indexer\./.test(part),
      );
      const closing = isClosed(block) ? await compareClosing(weights, block, kind) : 0;
      if (kind === 'weights') expect(compared + closing).toBe(bound.length);
      else
        expect(compared).toBeGreaterThanOrEqual(
          mixers.length === 0 || !hasNetwork(block) ? 2 : experts ? 3 : 4,
        );
      if (experts) await compareExpert(weights, block, kind);
    }
    await model.close();
  });

  async function compareClosing(weights: Weights, block: BlockShape, kind: GradientKind): Promise<number> {
    const { hiddenSize } = block;
    const graphs = [closingGraph(block, { bind }), closingGradientGraph(block, kind, { bind })] as const;
    const feeds = { ...(await loadWeights(weights, block)), experts: matrix([7, hiddenSize]) };
    const y = matrix([7, hiddenSize]);
    return compare(...graphs, feeds, matrix([7, hiddenSize]), { y }, stepsOf(block));
  }

  async function compareExpert(weights: Weights, block: BlockShape, kind: GradientKind): Promise<void> {
    const { hiddenSize } = block;
    const rows = (part: string) => {
      const count = part.endsWith('.bias') ? 1 : block.tensors.get(part)!.at(-2)!;
      return { first: count, count };
    };
    // Factors of experts are part of their matrices.
    const merged = [...expertShape(block).tensors].filter(([part]) => /_exps\.(weight|bias)$/.test(part));
    const compared = await compare(
      expertGraph(block, { bind }),
      expertGradientGraph(block, kind, { bind }),
      await loadWeights(weights, { ...block, tensors: new Map(merged) }, rows),
      matrix([7, hiddenSize]),
      { y: matrix([7, hiddenSize]) },
    );
    const matrices = merged.filter(([part]) => part.endsWith('.weight'));
    expect(compared).toBe(kind === 'weights' ? merged.length : matrices.length);
  }
});
