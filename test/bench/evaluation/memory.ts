import { peakMemory, resetPeakMemory } from '../../../src/evaluation/measures';
import { GraphBuilder } from '../../../src/graph/onnxWriter';
import { createSession } from '../../../src/graph/session';
import type { Decoder } from '../../../src/graph/transformer/decoder';
import { blockBytes } from '../../../src/graph/transformer/decoderBytes';
import { floatTensor, type Placement } from '../../../src/graph/transformer/graphLoader';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import { loadNative } from '../../../src/native';
import { windowLength, windowTokens } from './work';

/** Memory of a process that runs a model block by block, bytes. */
export interface Memory {
  /** Resident with Node, the addon and ONNX Runtime, which has run a graph. */
  readonly baseline: number;
  /** Weights of one block in float32. */
  readonly block: number;
  /** States of all windows. */
  readonly states: number;
  /** Most resident memory over the baseline. */
  readonly peak: number;
}

const threads = 2;

/** One pass after the other: the second shows what the first leaves in memory. */
const passes = 2;

/** Measures the process that it runs in, which must not have done anything before. */
export async function peakOfPasses(path: string, placement: Placement, windows: number): Promise<Memory> {
  const { decoder, baseline } = await ready(path, placement);
  resetPeakMemory();
  let states = 0;
  for (let pass = 0; pass < passes; pass++) {
    const values = await decoder.embed(windowTokens(windows * windowLength));
    states = values.byteLength;
    await decoder.advance(values);
  }
  const block = blockBytes(decoder.shape.blocks[0]!);
  return { baseline, block, states, peak: peakMemory() - baseline };
}

/** What the run of a block that is loaded already adds to resident memory: activations, and the copy of its output. */
export async function activationsOfRun(path: string): Promise<number> {
  const { decoder } = await ready(path, 'fed');
  const { hiddenSize, blocks } = decoder.shape;
  const graph = await decoder.graphs.obtain(decoder.sources.block(blocks[0]!, windowLength));
  const x = floatTensor(new Float32Array(windowLength * hiddenSize).fill(0.1), [windowLength, hiddenSize]);
  const loaded = process.memoryUsage.rss();
  resetPeakMemory();
  await graph.run({ x });
  return peakMemory() - loaded;
}

async function ready(path: string, placement: Placement): Promise<{ decoder: Decoder; baseline: number }> {
  process.env['QUANTSCOPE_THREADS'] = String(threads);
  loadNative().setThreads(threads);
  await runSomething();
  const baseline = process.memoryUsage.rss();
  const options = { device: 'ort-cpu', length: windowLength, keep: false, placement } as const;
  return { decoder: await openDecoder(await openModel(path), options), baseline };
}

async function runSomething(): Promise<void> {
  const graph = new GraphBuilder('something');
  const x = graph.input('x', ['n', 64]);
  graph.output('y', graph.node('MatMul', [x, graph.node('Transpose', [x], { perm: [1, 0] })]), ['n', 'n']);
  const session = await createSession('ort-cpu', graph.finish());
  await session.run({ x: floatTensor(new Float32Array(64 * 64), [64, 64]) });
  await session.release();
}
