import type { TensorDescriptor } from '../protocol/model';

/** Where a scan of a model is: bytes of its tensors, each as often as it is gone through. */
export interface ScanStep {
  readonly message: string;
  readonly done: number;
  readonly total: number;
  /** Absent until it can be estimated. */
  readonly secondsLeft?: number;
}

/** Time after which the rest is estimated (s). */
const leastTime = 1;

/** Progress of a scan, in which several tensors are gone through at a time. */
export class ScanProgress {
  private readonly total: number;
  private readonly parts = new Map<string, number>();
  private finished = 0;
  private readonly start = performance.now();

  constructor(
    missing: readonly {
      readonly tensor: TensorDescriptor;
      readonly figures: boolean;
      readonly error: boolean;
    }[],
    private readonly tell: ((step: ScanStep) => void) | undefined,
  ) {
    this.total = missing.reduce(
      (sum, { tensor, figures, error }) => sum + tensor.byteLength * (Number(figures) + Number(error)),
      0,
    );
  }

  of({ name, byteLength }: TensorDescriptor): {
    readonly proceed: (done: number, total: number) => void;
    readonly finish: () => void;
  } {
    return {
      proceed: (done, total) => {
        this.parts.set(name, (byteLength * done) / total);
        this.report(name);
      },
      finish: () => {
        this.parts.delete(name);
        this.finished += byteLength;
        this.report(name);
      },
    };
  }

  private report(message: string): void {
    let done = this.finished;
    for (const bytes of this.parts.values()) done += bytes;
    const seconds = (performance.now() - this.start) / 1000;
    const left = seconds > leastTime && done > 0 ? (seconds * (this.total - done)) / done : undefined;
    this.tell?.({ message, done, total: this.total, ...(left === undefined ? {} : { secondsLeft: left }) });
  }
}
