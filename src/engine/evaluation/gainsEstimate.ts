import type { MissingCells } from '../../ampq/sensitivity';
import { measureRows } from '../../analysis/measureRows';
import type { OrtDevice } from '../../graph/session';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Decoder, PassOptions } from '../../graph/transformer/decoder';
import { sumLogits } from '../../evaluation/scoring';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { PlannedText } from './runPlan';

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

/**
 * Seconds that a pass over a text takes for all tensors, from running the first block over one window and over two (the part that does not
 * grow with the tokens is weight loading), and the output matrix over one.
 */
export async function gainsSeconds(
  model: Model,
  { plan, windows }: PlannedText,
  tensors: number,
  device: OrtDevice,
  signal: AbortSignal,
): Promise<number> {
  const decoder = await openDecoder(model, { device, length: plan.context, keep: false });
  try {
    const { perWindow, loading } = await blockSeconds(decoder, { signal });
    const blocks = decoder.shape.blocks.length;
    const inBlocks = windows.length * (tensors + blocks * (1 + tensors / 2)) * perWindow;
    await timeOutput(decoder, signal);
    const output = windows.length * (await timeOutput(decoder, signal));
    return inBlocks + (tensors + blocks) * loading + (tensors + 1) * output;
  } finally {
    await decoder.close();
  }
}

/** Seconds that a block takes for each window, and for loading its weights: measured on the first block. */
export async function blockSeconds(
  decoder: Decoder,
  pass: PassOptions,
): Promise<{ readonly perWindow: number; readonly loading: number }> {
  await time(decoder, 1, pass); // makes the sessions
  const [one, two] = [await time(decoder, 1, pass), await time(decoder, 2, pass)];
  const perWindow = Math.max(two - one, one / 100);
  return { perWindow, loading: Math.max(0, one - perWindow) };
}

async function time(decoder: Decoder, windows: number, pass: PassOptions): Promise<number> {
  const states = someStates(decoder, windows);
  const started = performance.now();
  await decoder.advanceBlock(decoder.shape.blocks[0]!, states, pass);
  return (performance.now() - started) / 1000;
}

const someStates = ({ length, shape }: Decoder, windows: number): Float32Array =>
  Float32Array.from({ length: windows * length * shape.hiddenSize }, (_, i) => Math.sin(i));

/** Seconds from the states of a window to its divergence. */
async function timeOutput(decoder: Decoder, signal: AbortSignal): Promise<number> {
  const states = someStates(decoder, 1);
  const read = (firstToken: number, target: Float32Array): Promise<void> => {
    target.set(states.subarray(firstToken * decoder.shape.hiddenSize).subarray(0, target.length));
    return Promise.resolve();
  };
  const wave = { states, targets: new Int32Array(decoder.length), firstToken: 0 };
  const started = performance.now();
  await sumLogits(decoder, wave, { decoder, read }, { signal });
  return (performance.now() - started) / 1000;
}
