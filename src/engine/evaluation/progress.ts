import type { EngineProgress } from '../../protocol/engine';
import type { EvaluationPoint } from '../../protocol/evaluation';
import type { Device } from '../../protocol/device';
import { said } from '../../protocol/said';

/** More points than a chart has columns to show them in are thinned. */
const maxPoints = 400;

/** Counts the steps of a run, each about as long as the next, and reports progress. */
export class StepMeter {
  private done = 0;
  private points: EvaluationPoint[] = [];
  /** When the first step was over: it includes the start of the runtime, so the others are not estimated from it. */
  private firstDone = 0;

  constructor(
    private readonly total: number,
    private readonly windows: number,
    private readonly device: Device,
    private readonly report: (progress: EngineProgress) => void,
  ) {}

  step(message: string): void {
    this.done += 1;
    if (this.done === 1) this.firstDone = performance.now();
    this.tell(message);
  }

  curve(point: EvaluationPoint): void {
    if (this.points.length >= maxPoints) this.points = this.points.filter((_, index) => index % 2 === 1);
    this.points.push(point);
    this.tell(said`${point.windows} of ${this.windows} windows`);
  }

  private tell(message: string): void {
    const done = Math.min(this.done, this.total);
    const seconds = (performance.now() - this.firstDone) / 1000;
    const left = done > 1 ? (seconds / (done - 1)) * (this.total - done) : undefined;
    this.report({
      ...{ message, done, total: this.total, device: this.device },
      ...(left === undefined ? {} : { secondsLeft: left }),
      ...(this.points.length > 0 ? { curve: { windows: this.windows, points: this.points } } : {}),
    });
  }
}
