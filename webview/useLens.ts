import { useEffect, useMemo, useState } from 'preact/hooks';
import type { EngineProgress } from '../src/protocol/engine';
import { useApp } from './context';
import { askLens, knownLens, type KnownLens, type Wanted } from './lensRows';

/** How long a selection must stay before it is measured (milliseconds). */
const pause = 150;

export interface Lens extends KnownLens {
  /** Undefined while nothing is measured. */
  readonly progress?: EngineProgress | undefined;
  readonly isRunning: boolean;
  /** Why it could not be measured. */
  readonly failure?: string | undefined;
  readonly retry: () => void;
}

interface Run {
  readonly key: string;
  readonly progress?: EngineProgress;
  readonly isRunning: boolean;
  readonly failure?: string;
}

/** A tensor by recipes, which come as they are measured; what is known is not asked for again, what is not wanted any more is cancelled. */
export function useLens(wanted: Wanted): Lens {
  const { host } = useApp();
  const { tensor, recipes, options, basis } = wanted;
  const key = JSON.stringify([basis, tensor, recipes, options]);
  const [attempt, setAttempt] = useState(0);
  const [run, setRun] = useState<Run>({ key, isRunning: true });
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const show = (state: Omit<Run, 'key'>): void => {
      if (!signal.aborted) setRun({ key, ...state });
    };
    const ask = async (): Promise<void> => {
      show({ isRunning: true });
      try {
        await askLens(host, wanted, signal, (progress) => show({ isRunning: true, progress }));
        show({ isRunning: false });
      } catch (error) {
        show({ isRunning: false, failure: error instanceof Error ? error.message : String(error) });
      }
    };
    const timer = setTimeout(() => void ask(), pause); // never rejects
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [key, attempt]);
  // What an earlier selection was doing says nothing of this one.
  const own: Omit<Run, 'key'> = run.key === key ? run : { isRunning: true };
  const known = useMemo(() => knownLens(wanted), [key, run]);
  return { ...known, ...own, retry: () => setAttempt(attempt + 1) };
}
