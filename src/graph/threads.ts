import { AsyncLocalStorage } from 'node:async_hooks';
import { availableParallelism } from 'node:os';
import { loadNative } from '../native';

/** Threads that the current request asked for, visible to everything that it awaits. */
const ofRequest = new AsyncLocalStorage<number>();

/** What the running requests ask for. */
const wanted: number[] = [];

/** Threads that the current request asked for, else `$QUANTSCOPE_THREADS`; undefined where neither says. */
export function requestThreads(): number | undefined {
  const own = Number(process.env['QUANTSCOPE_THREADS'] ?? 0);
  return ofRequest.getStore() ?? (own > 0 ? own : undefined);
}

/**
 * Runs `work` with so many threads (one for each core by default), without affecting later requests. Sessions of ONNX Runtime
 * get exactly that; the addon's pool, which is one for the process, has as many as the most demanding of the requests that run.
 */
export async function withThreads<T>(threads: number | undefined, work: () => Promise<T>): Promise<T> {
  const count = threads ?? requestThreads() ?? availableParallelism();
  wanted.push(count);
  try {
    resizePool();
    return await (threads === undefined ? work() : ofRequest.run(threads, work));
  } finally {
    wanted.splice(wanted.indexOf(count), 1);
    resizePool();
  }
}

function resizePool(): void {
  const most = wanted.reduce((a, b) => Math.max(a, b), 0);
  loadNative().setThreads(most > 0 ? most : (requestThreads() ?? availableParallelism()));
}
