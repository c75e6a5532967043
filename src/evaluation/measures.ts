import { readFileSync, writeFileSync } from 'node:fs';
import type { Decoder } from '../graph/transformer/decoder';
import { bytesPerToken } from '../graph/transformer/decoderBytes';
import type { DecoderShape } from '../graph/transformer/decoderShape';
import { Generation } from '../graph/transformer/generation';
import { keptStates } from '../graph/transformer/mixers';
import { loadNative } from '../native';
import type { RunMeasures } from '../protocol/evaluation';
import { median } from './statistics';

/** Resets the process's peak memory, where the system can. */
export function resetPeakMemory(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or not allowed: the peak is that of the process's whole lifetime.
  }
}

/** Peak resident memory of the process since `resetPeakMemory` (bytes). */
export function peakMemory(): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // no such file on this system
  }
  return process.resourceUsage().maxRSS * 1024;
}

/** Tokens that are timed, after some that warm up. */
const timedTokens = 8;
const warmUps = 2;
/** Timing ends after so long (ms), once one token was timed. */
const maxTiming = 10_000;

/** Bytes of the buffers that are copied to measure memory bandwidth. */
const copiedBytes = 256 * 1024 * 1024;

type GenerationMeasures = Pick<
  RunMeasures,
  'firstTokenMs' | 'nextTokenMs' | 'bytesPerSecond' | 'copyBytesPerSecond'
>;

/**
 * Speed of generation with a cache of keys and values, after a full window: time to the first token (the window goes through the
 * model, then the output of its last position), and the median time of each that follows, with the bytes that it reads per second:
 * all weights in float32 and the keys and values of a window.
 * @param window token ids.
 */
export async function measureGeneration(
  decoder: Decoder,
  window: Int32Array,
  signal?: AbortSignal,
): Promise<GenerationMeasures> {
  const { shape } = decoder;
  const started = performance.now();
  const states = await decoder.advance(await decoder.embed(window, signal), { signal });
  for await (const slice of decoder.logitSlices(signal)) {
    await slice.run(states.subarray(states.length - shape.hiddenSize));
  }
  const firstTokenMs = performance.now() - started;
  // A GPU would hold the weights twice: in graphs of windows and in those of single tokens.
  if (decoder.device !== 'ort-cpu') await decoder.release();
  const generation = new Generation(decoder, window.length + timedTokens + warmUps);
  generation.pretend(window.length);
  const times: number[] = [];
  const begun = performance.now();
  for (let i = 0; i < warmUps + timedTokens; i++) {
    const before = performance.now();
    await generation.next(Int32Array.of(window[i % window.length]!), { signal });
    if (i >= warmUps) times.push(performance.now() - before);
    if (times.length > 0 && performance.now() - begun > maxTiming) break;
  }
  const nextTokenMs = median(times);
  return {
    ...{ firstTokenMs, nextTokenMs },
    bytesPerSecond: (1000 * (bytesPerToken(shape) + cacheBytes(shape, window.length))) / nextTokenMs,
    copyBytesPerSecond: await loadNative().copyBandwidth(copiedBytes),
  };
}

/** Bytes of what is kept of so many tokens: keys and values, and the states of other mixers. */
const cacheBytes = ({ blocks }: DecoderShape, positions: number): number =>
  blocks
    .flatMap((block) => Object.values(keptStates(block, positions)))
    .reduce((sum, dims) => sum + dims.reduce((product, size) => product * size, 4), 0);
