import { useRef, useState } from 'preact/hooks';
import type { EngineProgress } from '../src/protocol/engine';

/** What the host needs to run a job for a view. */
export interface JobOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

/** A job of a view: at most one runs. */
export interface Job<P> {
  /** A run is in progress. */
  readonly isRunning: boolean;
  /** Undefined until the first report. */
  readonly progress: EngineProgress | undefined;
  /** Why the last run failed; undefined after one that was cancelled. */
  readonly failure: string | undefined;
  readonly start: (params: P) => void;
  readonly cancel: () => void;
}

/**
 * Runs a job of the host on request.
 * @param run rejects when it fails or is cancelled.
 */
export function useJob<P, R>(
  run: (params: P, options: JobOptions) => Promise<R>,
  onDone: (result: R) => void,
): Job<P> {
  const [isRunning, setRunning] = useState(false);
  const [progress, setProgress] = useState<EngineProgress>();
  const [failure, setFailure] = useState<string>();
  const running = useRef<AbortController>();
  const start = async (params: P): Promise<void> => {
    const { signal } = (running.current = new AbortController());
    setFailure(undefined);
    setRunning(true);
    try {
      onDone(await run(params, { signal, onProgress: setProgress }));
    } catch (error) {
      if (!signal.aborted) setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      setRunning(false);
      setProgress(undefined);
    }
  };
  return {
    ...{ isRunning, progress, failure },
    start: (params) => void start(params), // never rejects
    cancel: () => running.current?.abort(),
  };
}
