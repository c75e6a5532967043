import type { EngineProgress } from '../../protocol/engine';
import type { Device } from '../../protocol/device';
import { said } from '../../protocol/said';
import type { RefinementProgress, RefinementSchedule } from '../../refinement/refine';

/** Reports the progress of a refinement: passes of the original, then steps, with what was measured so far. */
export class RefinementMeter {
  private passesDone = 0;
  private step: number;
  private points: RefinementProgress['points'];
  /** When the first step of this run began. */
  private began = 0;

  constructor(
    private readonly schedule: RefinementSchedule,
    private readonly passes: number,
    private readonly from: RefinementProgress | undefined,
    private readonly device: Device,
    private readonly report: (progress: EngineProgress) => void,
  ) {
    this.step = from?.step ?? 0;
    this.points = from?.points ?? [];
  }

  /** The original has passed one of its parts. */
  passed(): void {
    this.passesDone += 1;
    const message = said`the original over the text, part ${this.passesDone} of ${this.passes}`;
    this.report({ message, done: this.step, total: this.schedule.steps, device: this.device });
  }

  /** A part of a pass of the file that is trained. */
  part(name: string): void {
    if (this.began === 0) this.began = performance.now();
    this.tell(said`step ${this.step + 1}: ${name}`);
  }

  trained(step: number): void {
    this.step = step;
    this.tell(said`step ${step}: trained`);
  }

  measured({ points }: RefinementProgress): void {
    this.points = points;
    this.tell(this.step === 0 ? said`start: measured` : said`step ${this.step}: measured`);
  }

  private tell(message: string): void {
    const { steps } = this.schedule;
    const made = this.step - (this.from?.step ?? 0);
    const seconds = (performance.now() - this.began) / 1000;
    this.report({
      ...{ message, done: this.step, total: steps },
      device: this.device,
      ...(made > 0 ? { secondsLeft: (seconds / made) * (steps - this.step) } : {}),
      ...(this.points.length > 0 ? { refinement: { steps, points: this.points } } : {}),
    });
  }
}
