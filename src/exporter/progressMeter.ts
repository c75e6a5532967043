import type { EngineProgress } from '../protocol/engine';
import { said } from '../protocol/said';
import type { ExportPlan } from './plan';
import type { PlannedTensor } from './plan/tensor';

/** Milliseconds between two reports. */
const interval = 100;

/** What is metered of a plan. */
export type MeteredPlan = Pick<ExportPlan, 'tensors' | 'dataBytes' | 'parameters'>;

/**
 * Reports an export's progress in bytes written, at most ten times a second. Time left follows from weights, not bytes:
 * encoding takes longer than writing, and takes the same time for a weight of any size.
 */
export class ProgressMeter {
  private bytes = 0;
  private weights = 0;
  private begun = 0;
  private last = -Infinity;
  private readonly start = performance.now();

  constructor(
    private readonly plan: MeteredPlan,
    private readonly report: ((progress: EngineProgress) => void) | undefined,
  ) {}

  begin(tensor: PlannedTensor): void {
    this.begun += 1;
    this.tell(tensor);
  }

  /** `bytes` more of the tensor were written. */
  advance(tensor: PlannedTensor, bytes: number): void {
    const weights = tensor.shape.reduce((product, size) => product * size, 1);
    this.bytes += bytes;
    this.weights += (weights * bytes) / tensor.bytes;
    this.tell(tensor);
  }

  private tell(tensor: PlannedTensor): void {
    const now = performance.now();
    const finished = this.bytes >= this.plan.dataBytes;
    if (!this.report || (now - this.last < interval && !finished)) return;
    this.last = now;
    const left = (this.plan.parameters - this.weights) / this.weights;
    const secondsLeft = Math.max(0, ((now - this.start) / 1000) * left);
    this.report({
      message: said`tensor ${this.begun} of ${this.plan.tensors.length}: ${tensor.name} → ${tensor.to}`,
      done: this.bytes,
      total: this.plan.dataBytes,
      unit: 'bytes',
      ...(Number.isFinite(secondsLeft) ? { secondsLeft } : {}),
    });
  }
}
