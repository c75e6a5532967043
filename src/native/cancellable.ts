import { throwIfCancelled } from '../model/errors';

/** Runs one call of the addon with a flag that the signal sets; a cancelled call rejects with CANCELLED. */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  run: (cancel: Int32Array | undefined) => Promise<T>,
): Promise<T> {
  throwIfCancelled(signal);
  if (!signal) return run(undefined);
  const flag = new Int32Array(1);
  const abort = (): void => {
    flag[0] = 1;
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await run(flag);
  } catch (error) {
    throwIfCancelled(signal);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
