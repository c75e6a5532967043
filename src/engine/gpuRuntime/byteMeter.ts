import type { EngineProgress } from '../../protocol/engine';

/** Milliseconds between two reports. */
const interval = 100;

/** Reports bytes done, at most ten times a second, with the seconds left at the mean speed so far. */
export function byteMeter(
  message: string,
  total: number,
  report: (progress: EngineProgress) => void,
): (done: number) => void {
  const start = performance.now();
  let last = start;
  return (done) => {
    const now = performance.now();
    if (now - last < interval && done < total) return;
    last = now;
    const secondsLeft = ((now - start) / 1000) * (total / done - 1);
    report({ message, done, total, unit: 'bytes', ...(Number.isFinite(secondsLeft) ? { secondsLeft } : {}) });
  };
}
