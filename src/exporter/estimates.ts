import { matrixOf } from '../model/rows';
import type { PlannedWeight } from '../protocol/quantizeModel';
import type { EvidenceKind, MethodOptions } from '../protocol/recipe';
import { maxCovariance, methodEvidence } from '../quant/evidence';
import type { Method } from '../quant/methods/method';
import { elapsed } from '../quant/methods/speeds';

/** Bytes of a process that has loaded this program and its addon, and read the headers of a model. */
export const processMemory = 110e6;

/** Bytes of a slab of rows in float32. */
const slabBytes = 2 ** 24;

/** A slab of rows of a matrix as it is read, decoded, quantized, measured and stored (bytes). */
export const slabMemory = (weights: number): number => 5.5 * Math.min(slabBytes, 4 * weights);

/** Slabs that are read, encoded and written for a GGUF file. */
export const encodingMemory = 20e6;

/** Seconds of a weight that is read, decoded, measured and stored, whatever is done to it: one after the other, on one core. */
const handledWeight = 12e-9;
/** Seconds of a byte that is copied. */
const copiedByte = 1e-9;

/** A tensor of a result, with what finds its codes where it is quantized. */
export interface EstimatedTensor {
  readonly shape: readonly number[];
  /** That are read. */
  readonly bytes: number;
  readonly method?: Method;
}

/** About how long tensors take to be quantized and written, without the pass over a text (seconds). */
export function estimatedSeconds(tensors: readonly EstimatedTensor[]): number {
  return tensors.reduce((sum, { shape, bytes, method }) => {
    const { rows, columns } = matrixOf(shape);
    if (!method) return sum + copiedByte * bytes;
    return sum + handledWeight * rows * columns + elapsed(method.coreSeconds([rows, columns]));
  }, 0);
}

/** Most samples of inputs, `[512, columns]` in float32, and the outputs that they give, which a method compares. */
const sampleMemory = 160e6;

/**
 * What a method holds besides slabs (bytes): the Hessian and its factor in float64, with two-sided codes the covariance of the rows, too; or
 * samples of inputs and outputs.
 */
export function methodMemory(
  method: Method,
  [rows, columns]: readonly [rows: number, columns: number],
  options?: MethodOptions,
): number {
  const hessian = 2 * 8 * columns ** 2;
  const covariance = rows <= maxCovariance ? 8 * rows ** 2 : 8 * rows;
  const held: Partial<Readonly<Record<EvidenceKind, number>>> = {
    ...{ hessian, gradients: hessian + covariance },
    activations: sampleMemory + 4 * 512 * columns,
  };
  return held[methodEvidence(method, options)] ?? 0;
}

/**
 * The same of the output matrix with two-sided codes, whose rows have inputs of their own: all inputs in float32, and at most 32 entries for each
 * token (`evaluation/ownInputs.ts`).
 */
export const ownInputsMemory = (tokens: number, columns: number): number =>
  2 * 8 * columns ** 2 + tokens * (4 * columns + 8 * 32);

/** Seconds of one core for a weight of ggml types that are searched for; all others are rounded, or fitted nearly as fast. */
const encodedWeight: Readonly<Record<string, number>> = {
  ...{
    IQ1_S: 30e-9,
    IQ1_M: 34e-9,
    IQ2_XXS: 59e-9,
    IQ2_XS: 96e-9,
    IQ2_S: 38e-9,
    IQ3_XXS: 66e-9,
    IQ3_S: 57e-9,
  },
};
const usualEncodedWeight = 6e-9;

/** About how long the tensors of a GGUF file take to be encoded and written (seconds): reading and writing go on meanwhile. */
export function estimatedExportSeconds(
  tensors: readonly Pick<PlannedWeight, 'shape' | 'to' | 'quantized' | 'bytes'>[],
): number {
  return tensors.reduce((sum, { shape, to, quantized, bytes }) => {
    const weights = shape.reduce((product, size) => product * size, 1);
    const encoded = quantized ? elapsed(weights * (encodedWeight[to] ?? usualEncodedWeight)) : 0;
    return sum + encoded + copiedByte * bytes + (handledWeight / 4) * weights;
  }, 0);
}
