import { floatsOf, TensorReader } from '../../analysis/tensorReader';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import type { Model } from '../../model/model';
import { loadNative } from '../../native';
import type { InputRounding } from '../../protocol/ggmlTypes';
import { expertsOf, type CodeFinder } from './codeFinder';

/** Consecutive inputs that share a step. */
export const roundingBlocks: Readonly<Record<InputRounding, number>> = { Q8_0: 32, Q8_K: 256 };

/**
 * Inputs as llama.cpp's CPU kernels round them before they multiply, less the inputs: 127 steps up to the largest magnitude of a block, kept in half
 * precision where blocks have 32 inputs; in blocks of 256 the largest input is −127 steps (ggml, quantize_row_q8_0 and quantize_row_q8_K).
 * @param inputs whole rows of blocks.
 */
export function roundingOf(inputs: Float32Array, rounding: InputRounding): Float32Array {
  const block = roundingBlocks[rounding];
  const errors = new Float32Array(inputs.length);
  for (let first = 0; first < inputs.length; first += block) {
    const some = inputs.subarray(first, first + block);
    const extreme = some.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    if (extreme === 0) continue;
    const step = rounding === 'Q8_0' ? Math.abs(extreme) / 127 : extreme / -127;
    const stored = rounding === 'Q8_0' ? loadNative().storedScales('F16', Float32Array.of(step))[0]! : step;
    some.forEach((value, i) => {
      errors[first + i] = Math.min(127, Math.round(value / step)) * stored - value;
    });
  }
  return errors;
}

/**
 * What the rounding of inputs does to the outputs of a tensor, as relative squared errors Σ|W·(x' − x)|² / Σ|W·x|² over sampled inputs x of its
 * calibration. Undefined where these were not sampled; a rounding whose blocks the rows are not made of is absent.
 * @throws QuantscopeError MODEL_FILE for weights that cannot be read.
 */
export async function roundingErrors(
  model: Model,
  converted: ConvertedTensor,
  finder: CodeFinder,
  signal?: AbortSignal,
): Promise<Partial<Record<InputRounding, number>> | undefined> {
  const reader = new TensorReader(model, converted);
  const { columns } = reader;
  const perExpert = reader.elements / expertsOf(converted);
  const kinds = (['Q8_0', 'Q8_K'] as const).filter((kind) => columns % roundingBlocks[kind] === 0);
  const energies = { outputs: 0, Q8_0: 0, Q8_K: 0 };
  let known: SampledInputs | undefined;
  for await (const slab of reader.slabs(signal)) {
    const values = await floatsOf(slab, signal);
    if (slab.columns !== columns) return undefined;
    for (let first = 0; first < slab.weights;) {
      const expert = Math.floor((slab.firstWeight + first) / perExpert);
      const end = Math.min(slab.weights, (expert + 1) * perExpert - slab.firstWeight);
      if (known?.expert !== expert) known = await sampledInputs(converted, expert, finder, kinds);
      if (!known) return undefined;
      const rows = values.subarray(first, end);
      energies.outputs += await energyOf(rows, known.inputs, columns, signal);
      for (const [kind, errors] of known.errors)
        energies[kind] += await energyOf(rows, errors, columns, signal);
      first = end;
    }
  }
  const share = (kind: InputRounding): number =>
    energies.outputs > 0 ? energies[kind] / energies.outputs : 0;
  return Object.fromEntries(kinds.map((kind) => [kind, share(kind)]));
}

/** Rows of weights that the estimate is timed on: enough for all threads. */
const timedShape = [256, 1024] as const;

/** Seconds that `roundingErrors` takes for a weight, from a short run over that many sampled inputs. */
export async function roundingSecondsPerWeight(samples: number, signal?: AbortSignal): Promise<number> {
  const [rows, columns] = timedShape;
  const weights = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7));
  const inputs = Float32Array.from({ length: samples * columns }, (_, i) => Math.cos(i * 0.3));
  const began = performance.now();
  await energyOf(weights, inputs, columns, signal);
  // Once for the inputs, and once for what each kind of rounding adds to them.
  const passes = 1 + Object.keys(roundingBlocks).length;
  return (passes * (performance.now() - began)) / 1000 / weights.length;
}

/** What was sampled of the inputs of an expert, and what each rounding adds to them. */
interface SampledInputs {
  readonly expert: number;
  readonly inputs: Float32Array;
  readonly errors: ReadonlyMap<InputRounding, Float32Array>;
}

async function sampledInputs(
  converted: ConvertedTensor,
  expert: number,
  finder: CodeFinder,
  kinds: readonly InputRounding[],
): Promise<SampledInputs | undefined> {
  const inputs = await finder.inputsOf(converted, expert);
  if (!inputs) return undefined;
  return { expert, inputs, errors: new Map(kinds.map((kind) => [kind, roundingOf(inputs, kind)])) };
}

/** Σ|W·x|² over inputs. */
async function energyOf(
  rows: Float32Array,
  inputs: Float32Array,
  columns: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const replacement = { weights: new Float32Array(rows.length), others: rows };
  const errors = await loadNative().outputErrors(replacement, inputs, columns, columns, signal);
  return errors.reduce((sum, error) => sum + error, 0);
}
