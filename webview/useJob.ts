import { useEffect, useState } from 'preact/hooks';
import { useApp, useAppState } from './context';
import type { JobOptions, JobRun } from './viewJobs';

/** A job of a view: its last run, and what starts and cancels it. */
export interface Job<P, R> {
  readonly run: JobRun<P, R> | undefined;
  readonly start: (params: P) => void;
  readonly cancel: () => void;
}

/**
 * A job of the host that a view runs on request, and that outlives the view.
 * @param name of the job: all views of this name show the same run, with the same kinds of parameters and results.
 * @param work rejects when it fails or is cancelled.
 */
export function useJob<P, R>(name: string, work: (params: P, options: JobOptions) => Promise<R>): Job<P, R> {
  const { jobs } = useApp();
  const { opening: basis } = useAppState();
  const [, redraw] = useState(0);
  useEffect(() => jobs.subscribe(() => redraw((n) => n + 1)), [jobs]);
  return {
    run: jobs.run(name, basis) as JobRun<P, R> | undefined,
    start: (params) => void jobs.start(name, { params, basis }, work), // never rejects
    cancel: () => jobs.cancel(name),
  };
}
