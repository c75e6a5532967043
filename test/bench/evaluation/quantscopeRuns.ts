import { measureGeneration } from '../../../src/evaluation/measures';
import type { Decoder } from '../../../src/graph/transformer/decoder';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import { loadNative } from '../../../src/native';
import { windowLength, windowTokens } from './work';

/** What of a pass is run: all of it, or a part, to see where the time goes. */
export type PassPart = 'all' | 'embedding' | 'output';

export interface OursSpec {
  readonly path: string;
  readonly threads: number;
  /** All weights stay in memory. */
  readonly keep: boolean;
  readonly part: PassPart;
  readonly windows: number;
  readonly length?: number;
  readonly tokensAtOnce?: number;
}

/** A pass over whole windows: embeddings, blocks, and the logits of every position. */
export async function quantscopeRun(spec: OursSpec): Promise<() => Promise<void>> {
  const { keep, part, windows, length = windowLength, tokensAtOnce } = spec;
  const decoder = await ours(spec.path, spec.threads, {
    keep,
    length,
    ...(tokensAtOnce ? { tokensAtOnce } : {}),
  });
  const tokens = windowTokens(windows * length);
  const fixed = await decoder.embed(tokens);
  return async () => {
    const states = part === 'output' ? fixed : await decoder.embed(tokens);
    if (part === 'all') await decoder.advance(states);
    if (part !== 'embedding') await allLogits(decoder, states);
  };
}

/** One more token at a time after a full window. @returns milliseconds of the median one. */
export async function quantscopeGeneration(path: string, threads: number): Promise<() => Promise<number>> {
  const decoder = await ours(path, threads, { keep: true, length: windowLength });
  return async () => (await measureGeneration(decoder, windowTokens(windowLength))).nextTokenMs!;
}

async function ours(
  path: string,
  threads: number,
  options: { keep: boolean; length: number; tokensAtOnce?: number },
): Promise<Decoder> {
  process.env['QUANTSCOPE_THREADS'] = String(threads);
  loadNative().setThreads(threads);
  return openDecoder(await openModel(path), { device: 'ort-cpu', ...options });
}

async function allLogits(decoder: Decoder, states: Float32Array): Promise<void> {
  const perRun = decoder.tokensPerRun * decoder.shape.hiddenSize;
  for await (const slice of decoder.logitSlices()) {
    for (let at = 0; at < states.length; at += perRun) await slice.run(states.subarray(at, at + perRun));
  }
}
