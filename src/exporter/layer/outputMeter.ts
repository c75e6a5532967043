import { addSums, errorMetrics, noSums } from '../../analysis/metrics';
import { loadNative, type ErrorSums, type TensorRange } from '../../native';
import type { ErrorMetrics, Histogram } from '../../protocol/analysis';

/** Sampled inputs of a matrix, and Σ‖Wx‖² over them. */
export interface SampledOutputs {
  /** `[samples, columns]`. */
  readonly inputs: Float32Array;
  readonly energy: number;
}

/** Σ‖wx‖² over rows w of `[rows, columns]` and inputs x: what replacing the weights by zeros would change. */
export const outputEnergy = (
  weights: Float32Array,
  inputs: Float32Array,
  columns: number,
  signal?: AbortSignal,
): Promise<number> => outputChange(weights, new Float32Array(weights.length), inputs, columns, signal);

/** Σ‖(w' − w)x‖² over rows w, what they become, and inputs x. */
async function outputChange(
  weights: Float32Array,
  others: Float32Array,
  inputs: Float32Array,
  columns: number,
  signal?: AbortSignal,
): Promise<number> {
  const errors = await loadNative().outputErrors({ weights, others }, inputs, columns, columns, signal);
  return errors.reduce((sum, error) => sum + error, 0);
}

/** Errors of decoded weights and of the outputs that they give, and their histogram, summed over slabs. */
export class OutputMeter {
  /** Over all weights so far. */
  sums = noSums;
  /** Of the decoded weights. */
  readonly counts: Float64Array;
  private output = 0;

  constructor(
    private readonly columns: number,
    private readonly range: TensorRange,
    bins: number,
    private readonly sampled?: SampledOutputs,
  ) {
    this.counts = new Float64Array(bins);
  }

  /** Sums of weights that `counts` has already, where outputs are not measured. */
  addSums(sums: ErrorSums): void {
    this.sums = addSums(this.sums, sums);
  }

  /** @param original `[rows, columns]`, of whole rows; as `decoded`. */
  async add(original: Float32Array, decoded: Float32Array, signal?: AbortSignal): Promise<void> {
    const native = loadNative();
    this.addSums(await native.errorSums(original, decoded));
    const { min, max } = this.range;
    const counts = await native.histogram(decoded, min, max, this.counts.length);
    counts.forEach((count, bin) => (this.counts[bin]! += count));
    if (!this.sampled) return;
    this.output += await outputChange(original, decoded, this.sampled.inputs, this.columns, signal);
  }

  /** `outputError` is relative: Σ‖(Ŵ − W)x‖² / Σ‖Wx‖². */
  result(): { error: ErrorMetrics; histogram: Histogram; outputError?: number } {
    const { sums, range, counts, sampled, output } = this;
    const relative = sampled && (output === 0 ? 0 : output / sampled.energy);
    return {
      error: errorMetrics(sums),
      histogram: { ...range, counts: [...counts] },
      ...(relative === undefined ? {} : { outputError: relative }),
    };
  }
}
