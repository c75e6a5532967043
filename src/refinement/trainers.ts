import { loadNative, type AdamState } from '../native';
import type { TrainedParts } from '../protocol/refinement';
import { factorType, readFactors, writeFactors, type FactorType } from '../quant/blockFactors';
import { adam, type AdamStep } from './adam';
import { factorGradients } from './factorGradients';
import { codeDistances, hasCodes, setNearestCodes } from './nearestCodes';

/** How a stored tensor is trained: numbers that its bytes are made of, with the bytes that it had at the start. */
export interface Trainer {
  /** How many numbers. */
  readonly size: number;
  /** The numbers of the bytes at the start. */
  start(bytes: Uint8Array): Promise<Float32Array>;
  /**
   * Moves the numbers against the gradient of the weights, in place.
   * @param bytes that `encode` made of the numbers.
   */
  move(state: AdamState, bytes: Uint8Array, gradient: Float32Array, step: AdamStep): Promise<void>;
  /** @param start the bytes at the start. */
  encode(numbers: Float32Array, start: Uint8Array): Promise<Uint8Array>;
}

/** How far each kind of number moves in a step at first, in its unit. */
const rates = {
  /** Of the root of the mean square of a vector. */
  vectors: 1e-3,
  /** Of the factor. */
  factors: 1e-3,
  /** Of the mean distance of neighbouring codes. */
  codes: 0.015,
};

/** How a tensor is trained; undefined for one that stays as it is: matrices in floats, and types without factors or codes. */
export function trainerOf(type: string, shape: readonly number[], parts: TrainedParts): Trainer | undefined {
  const weights = shape.reduce((product, size) => product * size, 1);
  if (type === 'F32') return shape.length === 1 ? vectorTrainer(weights) : undefined;
  const form = factorType(type);
  return form && blockTrainer(form, weights, parts === 'codes' && hasCodes(form.type));
}

function vectorTrainer(size: number): Trainer {
  const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);
  return {
    size,
    start: (bytes) => Promise.resolve(floats(bytes)),
    async move(state, _, gradient, step) {
      const unit = { values: rootMeanSquare(state.values), per: size };
      await adam(state, gradient, scaled(step, rates.vectors), unit);
    },
    encode: (numbers) => Promise.resolve(new Uint8Array(numbers.slice().buffer)),
  };
}

const rootMeanSquare = (values: Float32Array): Float32Array =>
  Float32Array.of(Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length));

/** Each factor is that at the start times a number; each code is the one whose weight is nearest to a number. */
function blockTrainer(form: FactorType, weights: number, trainsCodes: boolean): Trainer {
  const { type, block, places } = form;
  const factors = (weights / block) * places.length;
  const ones = { values: Float32Array.of(1), per: factors };
  return {
    size: factors + (trainsCodes ? weights : 0),
    async start(bytes) {
      const numbers = new Float32Array(this.size).fill(1);
      if (trainsCodes) await loadNative().decode(type, bytes, numbers.subarray(factors));
      return numbers;
    },
    async move(state, bytes, gradient, step) {
      const ofFactors = await factorGradients(form, bytes, gradient);
      await adam(sliceOf(state, 0, factors), ofFactors, scaled(step, rates.factors), ones);
      if (!trainsCodes) return;
      const units = await codeDistances(type, bytes, weights);
      await adam(sliceOf(state, factors, factors + weights), gradient, scaled(step, rates.codes), units);
    },
    async encode(numbers, start) {
      const blocks = start.slice();
      const own = await readFactors(form, start);
      for (let i = 0; i < factors; i++) own[i]! *= numbers[i]!;
      await writeFactors(form, blocks, own);
      if (trainsCodes) await setNearestCodes(type, blocks, numbers.subarray(factors));
      return blocks;
    },
  };
}

const scaled = ({ step, rate }: AdamStep, by: number): AdamStep => ({ step, rate: rate * by });

const sliceOf = ({ values, first, second }: AdamState, from: number, to: number): AdamState => ({
  values: values.subarray(from, to),
  first: first.subarray(from, to),
  second: second.subarray(from, to),
});
