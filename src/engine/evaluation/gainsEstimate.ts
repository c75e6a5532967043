import type { MissingCells } from '../../ampq/sensitivity';
import { measureRows } from '../../analysis/measureRows';
import type { OrtDevice } from '../../graph/session';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Decoder } from '../../graph/transformer/decoder';
import type { PassOptions } from '../../graph/transformer/pass';
import { sumLogits } from '../../evaluation/scoring';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { blockBytes } from '../../graph/transformer/decoderBytes';
import { greatestOf } from '../../protocol/extremes';
import {
  curvatureWork,
  gainsWork,
  secondsOf,
  type GainsWork,
  type PlannedGains,
  type WorkSeconds,
} from '../../evaluation/passWork';
import { processMemory } from '../../exporter/estimates';
import { statesRoom, type PlannedText } from './runPlan';

/** Weights that each format is timed on: enough for all threads. */
const timedShape = [256, 1024] as const;

/** Seconds that measuring errors takes on the addon, from a short run of each format over random weights. */
export async function errorSeconds(missing: readonly MissingCells[], signal: AbortSignal): Promise<number> {
  const [rows, columns] = timedShape;
  const values = Float32Array.from(
    { length: rows * columns },
    (_, i) => Math.sin(i * 1.7) * Math.cos(i * 0.3),
  );
  const some = { dtype: 'F32', data: new Uint8Array(values.buffer), weights: values.length, columns };
  const importance = new Float32Array(columns).fill(1); // some encoders cannot do without
  const perWeight = new Map<string, number>();
  let seconds = 0;
  for (const { candidate, formats } of missing) {
    const matrix = matrixOf(candidate.converted.shape);
    for (const format of formats) {
      const { id } = format;
      if (!perWeight.has(id)) {
        throwIfCancelled(signal);
        const started = performance.now();
        await measureRows(format, some, { min: -1, max: 1 }, { importance, signal });
        perWeight.set(id, (performance.now() - started) / 1000 / values.length);
      }
      seconds += perWeight.get(id)! * matrix.rows * matrix.columns;
    }
  }
  return seconds;
}

/** What a run takes: seconds, and bytes of memory. */
export interface RunCost {
  readonly seconds: number;
  readonly memory: number;
}

/** What gains take: measured, in passes over the model, or by the curvature. */
export interface GainsCosts {
  readonly measured: RunCost & { readonly passes: number };
  readonly curvature: RunCost;
}

/** @param names of the tensors that are changed, as GGUF has them. */
export async function gainsCosts(
  model: Model,
  { plan, windows }: PlannedText,
  names: readonly string[],
  device: OrtDevice,
  signal: AbortSignal,
): Promise<GainsCosts> {
  const decoder = await openDecoder(model, { device, length: plan.context, keep: false });
  try {
    const planned = plannedGains(decoder, names, windows.length, statesRoom());
    const each = {
      ...(await blockSeconds(decoder, { signal })),
      output: await outputSeconds(decoder, signal),
    };
    const largest = greatestOf(decoder.shape.blocks.map(blockBytes));
    const costOf = (work: Omit<GainsWork, 'passes'>): RunCost => ({
      seconds: secondsOf(work, each),
      memory: processMemory + work.stateBytes + largest,
    });
    const work = gainsWork(planned);
    return {
      measured: { ...costOf(work), passes: work.passes },
      curvature: costOf(curvatureWork(planned)),
    };
  } finally {
    await decoder.close();
  }
}

/** How gains of some tensors are measured in the room that there is for states. */
export function plannedGains(
  { shape, length }: Decoder,
  names: readonly string[],
  windows: number,
  room: number,
): PlannedGains {
  const block = (name: string): number | undefined =>
    name === 'output.weight' ? undefined : Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
  return {
    ...{ blocks: shape.blocks.length, tensors: names.map(block), windows, room },
    stateBytes: 4 * windows * length * shape.stateSize,
  };
}

/** A clock in seconds; that of the wall, unless something else is to be measured. */
export type Clock = () => number;

export const wallClock: Clock = () => performance.now() / 1000;

/** Windows that are timed at once, besides one. */
const someWindows = 4;
/** Short runs are repeated, as the start of a thread would count as much: so often, or for so long (s). */
const mostRepeats = 5;
const enoughSeconds = 0.1;

/** Seconds of the shortest of some runs. */
async function shortest(run: () => Promise<number>): Promise<number> {
  let [least, spent] = [Infinity, 0];
  for (let i = 0; i < mostRepeats && spent < enoughSeconds; i++) {
    const seconds = await run();
    least = Math.min(least, seconds);
    spent += seconds;
  }
  return least;
}

/**
 * Seconds that a block takes for each window, and for reading its weights: from running the first block over one window and over some, as the part that
 * does not grow with the windows is reading.
 */
export async function blockSeconds(
  decoder: Decoder,
  pass: PassOptions,
  clock: Clock = wallClock,
): Promise<Omit<WorkSeconds, 'output'>> {
  const time = async (windows: number): Promise<number> => {
    const states = someNumbers(windows * decoder.length * decoder.shape.stateSize);
    const started = clock();
    await decoder.advanceBlock(decoder.shape.blocks[0]!, states, pass);
    return clock() - started;
  };
  await time(someWindows); // makes the sessions
  const [one, some] = [await shortest(() => time(1)), await shortest(() => time(someWindows))];
  const window = Math.max((some - one) / (someWindows - 1), one / 100);
  return { window, load: Math.max(0, one - window) };
}

/** Seconds from the states of a window to its divergence. */
export async function outputSeconds(
  decoder: Decoder,
  signal: AbortSignal,
  clock: Clock = wallClock,
): Promise<number> {
  const states = someNumbers(decoder.length * decoder.shape.hiddenSize);
  const read = (firstToken: number, target: Float32Array): Promise<void> => {
    target.set(states.subarray(firstToken * decoder.shape.hiddenSize).subarray(0, target.length));
    return Promise.resolve();
  };
  const wave = { states, targets: new Int32Array(decoder.length), firstToken: 0 };
  const time = async (): Promise<number> => {
    const started = clock();
    await sumLogits(decoder, wave, { decoder, read }, { signal });
    return clock() - started;
  };
  await time(); // makes the sessions
  return shortest(time);
}

const someNumbers = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i));
