import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { GraphBuilder, type Value } from '../../../src/graph/onnxWriter';
import { createSession } from '../../../src/graph/session';
import { floatTensor } from '../../../src/graph/transformer/graphLoader';
import { Random } from '../../support/random';
import { blockMatrices, type LlamaSizes } from './randomLlama';
import { windowLength } from './work';

/**
 * How ONNX Runtime gets a matrix: inside the graph, so that it packs it once; with every run as a checkpoint has it, which is
 * what a decoder on the CPU does; or with every run, transposed ahead.
 */
export type GemmKind = 'constant' | 'fed' | 'transposed';

/** The matrix products of a pass over windows, and nothing else. */
export async function gemmRun(
  sizes: LlamaSizes,
  kind: GemmKind,
  threads: number,
  windows: number,
): Promise<() => Promise<void>> {
  process.env['QUANTSCOPE_THREADS'] = String(threads);
  const inBlocks = Object.values(blockMatrices(sizes)).map((shape) => ({ shape, times: sizes.blocks }));
  const all = [...inBlocks, { shape: [sizes.vocabulary, sizes.hidden] as const, times: 1 }];
  const products: { run: () => Promise<unknown>; times: number }[] = [];
  for (const { shape, times } of all) products.push({ run: await product(shape, kind), times });
  return async () => {
    for (const { run, times } of products) for (let i = 0; i < times * windows; i++) await run();
  };
}

async function product([rows, columns]: readonly [number, number], kind: GemmKind) {
  const weights = new Random(3).fill(rows * columns, (random) => random.next() - 0.5);
  const dims = kind === 'transposed' ? [columns, rows] : [rows, columns];
  const graph = new GraphBuilder('product');
  const x = graph.input('x', ['n', columns]);
  const matrix = kind === 'constant' ? graph.table('w', dims, weights) : graph.input('w', dims);
  const y = kind === 'transposed' ? graph.node('MatMul', [x, matrix]) : gemm(graph, x, matrix);
  // One row of it comes back: copies of results are not what is measured.
  const [first, end, axis] = [[0], [1], [0]].map((values) => graph.ints(values));
  graph.output('y', graph.node('Slice', [y, first!, end!, axis!]), [1, rows]);
  const session: InferenceSession = await createSession('ort-cpu', graph.finish());
  const inputs = new Random(4).fill(windowLength * columns, (random) => random.next() - 0.5);
  const feeds: Record<string, Tensor> = { x: floatTensor(inputs, [windowLength, columns]) };
  if (kind !== 'constant') feeds['w'] = floatTensor(weights, dims);
  return () => session.run(feeds);
}

const gemm = (graph: GraphBuilder, x: Value, matrix: Value): Value =>
  graph.node('Gemm', [x, matrix], { transB: 1 });
