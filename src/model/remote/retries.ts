import { setTimeout as delay } from 'node:timers/promises';
import { QuantscopeError } from '../errors';
import { RequestError } from './request';
import { said } from '../../protocol/said';

/** Requests for the same bytes before a failure is final, none of which brought any. */
const maxAttempts = 5;
/** The first pause (ms); each further one is twice as long. */
const firstPause = 250;
/** The longest pause that is made (ms), also where the server asks for a longer one. */
const longestPause = 30_000;

/**
 * Does work again after failures that may pass, with growing pauses or those that the server asks for.
 * @param work gets on from where it stopped, and returns whether it is complete; `moved` tells that it got something.
 * @throws QuantscopeError the last failure; CANCELLED.
 */
export async function withRetries<T>(
  work: (moved: () => void) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await work(() => (failures = 0));
    } catch (error) {
      failures += 1;
      if (!(error instanceof RequestError) || !error.failure.isPassing || failures >= maxAttempts)
        throw error;
      const asked = error.failure.retryAfter;
      if (asked !== undefined && asked > longestPause) throw error;
      await pause(asked ?? backOff(failures), signal);
    }
  }
}

/** Servers that many clients wait for get them back at different times. */
const backOff = (failures: number): number =>
  Math.min(longestPause, firstPause * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);

async function pause(duration: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(duration, undefined, signal ? { signal } : {});
  } catch {
    throw new QuantscopeError('CANCELLED', said`The request was cancelled.`);
  }
}
