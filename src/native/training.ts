/** Levels of codes in rising order, each with its code. */
export interface SortedLevels {
  readonly values: Float64Array;
  readonly codes: Uint8Array;
  /** Whether they are consecutive integers. */
  readonly isEven: boolean;
}

/** Groups of so many weights, which are level · scale + zero. */
export interface LevelGroups {
  readonly group: number;
  readonly scales: Float32Array;
  readonly zeros?: Float32Array | undefined;
}

/** Numbers that are trained, and Adam's averages of their gradients. */
export interface AdamState {
  readonly values: Float32Array;
  /** Of the gradient, and of its square. */
  readonly first: Float32Array;
  readonly second: Float32Array;
}

/** Weights of what was before in the averages of gradients and of their squares. */
export interface AdamDecay {
  readonly first: number;
  readonly second: number;
}

/** Units of numbers: that of number i is `values[⌊i / per⌋]`. */
export interface Units {
  readonly values: Float32Array;
  readonly per: number;
}

/** What a step of a refinement does to the numbers of a tensor, in float64 in the order of the elements: threads do not change results. */
export interface TrainingFunctions {
  /**
   * Moves numbers against their gradient by Adam, in place.
   * @param decay the weights of what was before in the averages. @param size of the step over the weight that the average of gradients has so far.
   * @param correction one over that of the squares.
   */
  adamStep(
    state: AdamState,
    gradient: Float32Array,
    by: { readonly decay: AdamDecay; readonly size: number; readonly correction: number },
    units: Units,
  ): Promise<void>;
  /** The codes whose weights are nearest to the given ones, which are finite. */
  nearestLevels(levels: SortedLevels, groups: LevelGroups, weights: Float32Array): Promise<Uint8Array>;
  /** Inner products of the blocks of two matrices of the same size. */
  blockProducts(a: Float32Array, b: Float32Array, block: number): Promise<Float32Array>;
}

export interface TrainingBinding {
  adamStep(
    ...parameters: [
      ...[values: Float32Array, first: Float32Array, second: Float32Array, gradient: Float32Array],
      ...[step: readonly number[], units: Float32Array, per: number],
    ]
  ): Promise<void>;
  nearestLevels(
    ...parameters: [
      ...[values: Float64Array, levelCodes: Uint8Array, isEven: boolean, group: number],
      ...[scales: Float32Array, zeros: Float32Array | undefined, weights: Float32Array, codes: Uint8Array],
    ]
  ): Promise<void>;
  blockProducts(a: Float32Array, b: Float32Array, block: number, products: Float32Array): Promise<void>;
}

export function trainingFunctions(binding: TrainingBinding): TrainingFunctions {
  return {
    async adamStep({ values, first, second }, gradient, { decay, size, correction }, { values: units, per }) {
      const step = [decay.first, decay.second, size, correction];
      await binding.adamStep(values, first, second, gradient, step, units, per);
    },
    async nearestLevels({ values, codes: levelCodes, isEven }, { group, scales, zeros }, weights) {
      const codes = new Uint8Array(weights.length);
      await binding.nearestLevels(values, levelCodes, isEven, group, scales, zeros, weights, codes);
      return codes;
    },
    async blockProducts(a, b, block) {
      const products = new Float32Array(a.length / block);
      await binding.blockProducts(a, b, block, products);
      return products;
    },
  };
}
