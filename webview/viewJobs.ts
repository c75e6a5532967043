import type { EngineProgress } from '../src/protocol/engine';

/** What the host needs to run a job for a view. */
export interface JobOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

/** A run of a job, in progress or ended. */
export interface JobRun<P, R> {
  readonly params: P;
  /** Changes with the files that it is about. */
  readonly basis: number;
  readonly isRunning: boolean;
  /** Undefined until the first report. */
  readonly progress?: EngineProgress;
  /** Absent while it runs, and after a run that failed or was cancelled. */
  readonly result?: R;
  /** Why it failed. */
  readonly failure?: string;
}

/** The last run of each job that views start. Views come and go with tabs and with the width of the panel; their jobs stay. */
export class ViewJobs {
  private readonly runs = new Map<string, JobRun<unknown, unknown>>();
  private readonly running = new Map<string, AbortController>();
  private readonly listeners = new Set<() => void>();

  /** The last run of a job; undefined where it was about other files. */
  run(name: string, basis: number): JobRun<unknown, unknown> | undefined {
    const run = this.runs.get(name);
    return run?.basis === basis ? run : undefined;
  }

  /**
   * Runs a job; one of the same name that is still running is cancelled.
   * @param work rejects when it fails or is cancelled.
   */
  async start<P, R>(
    name: string,
    { params, basis }: { params: P; basis: number },
    work: (params: P, options: JobOptions) => Promise<R>,
  ): Promise<void> {
    this.cancel(name);
    const controller = new AbortController();
    const { signal } = controller;
    const isCurrent = (): boolean => this.running.get(name) === controller;
    const set = (state: Omit<JobRun<P, R>, 'params' | 'basis'>): void => {
      if (isCurrent()) this.set(name, { params, basis, ...state });
    };
    this.running.set(name, controller);
    set({ isRunning: true });
    try {
      const result = await work(params, {
        signal,
        onProgress: (progress) => set({ isRunning: true, progress }),
      });
      set({ isRunning: false, result });
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      set({ isRunning: false, ...(signal.aborted ? {} : { failure }) });
    }
  }

  cancel(name: string): void {
    this.running.get(name)?.abort();
  }

  /** @returns what ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private set(name: string, run: JobRun<unknown, unknown>): void {
    this.runs.set(name, run);
    for (const listener of this.listeners) listener();
  }
}
