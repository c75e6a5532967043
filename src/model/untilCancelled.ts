import { QuantscopeError } from './errors';
import { said } from '../protocol/said';

/** The promise's result, or CANCELLED as soon as the signal fires; the promise itself continues for others. */
export function untilCancelled<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const cancel = (): void => reject(new QuantscopeError('CANCELLED', said`The request was cancelled.`));
    if (signal.aborted) return cancel();
    signal.addEventListener('abort', cancel);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel));
  });
}
