import type { EngineProgress } from '../../protocol/engine';
import type { QuantizedWeight } from '../../protocol/quantizeModel';
import { said } from '../../protocol/said';
import type { PlannedTensor } from './plan';

/** Milliseconds between two reports. */
const interval = 100;

/**
 * Reports the progress of a quantization, at most ten times a second, in bytes of the result; matrices that were finished are reported at
 * once. Time left follows from weights that are quantized, as others are only copied.
 */
export class WeightMeter {
  private begun = 0;
  private current: PlannedTensor | undefined;
  private doneBytes = 0;
  private quantized = 0;
  private last = -Infinity;
  private readonly start = performance.now();
  private readonly totalBytes: number;
  private readonly toQuantize: number;

  constructor(
    private readonly tensors: readonly PlannedTensor[],
    private readonly report: ((progress: EngineProgress) => void) | undefined,
  ) {
    this.totalBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    this.toQuantize = tensors.reduce((sum, { matrix, tensor }) => sum + (matrix ? tensor.elements : 0), 0);
  }

  begin(tensor: PlannedTensor): void {
    this.begun += 1;
    this.current = tensor;
    this.tell();
  }

  /** So many weights of the current tensor are done. */
  advance(weights: number): void {
    const { tensor, matrix, bytes } = this.current!;
    this.doneBytes += (bytes * weights) / tensor.elements;
    if (matrix) this.quantized += weights;
    this.tell();
  }

  finish(weight: QuantizedWeight): void {
    this.tell([weight]);
  }

  private tell(finished: readonly QuantizedWeight[] = []): void {
    const now = performance.now();
    if (!this.report || (finished.length === 0 && now - this.last < interval)) return;
    this.last = now;
    const left = (this.toQuantize - this.quantized) / this.quantized;
    const secondsLeft = Math.max(0, ((now - this.start) / 1000) * left);
    this.report({
      message: said`tensor ${this.begun} of ${this.tensors.length}: ${this.current!.tensor.name}`,
      ...{ done: Math.round(this.doneBytes), total: this.totalBytes, unit: 'bytes' },
      ...(Number.isFinite(secondsLeft) ? { secondsLeft } : {}),
      ...(finished.length === 0 ? {} : { finished }),
    });
  }
}
