import { QuantscopeError, type ErrorPlace } from '../model/errors';
import { said } from '../protocol/said';

/**
 * NaN and infinities spread from one number to all: only states that were measured before them are of use, if there are any.
 * @param what the numbers are, as the beginning of a sentence.
 * @throws QuantscopeError REQUEST.
 */
export function requireFinite(what: string, numbers: ArrayLike<number>, place: ErrorPlace = {}): void {
  for (let i = 0; i < numbers.length; i++)
    if (!Number.isFinite(numbers[i])) throw stopped(said`${what} are not finite (${numbers[i]!})`, place);
}

/** @param why the refinement cannot go on, as the beginning of a sentence. */
export const stopped = (why: string, place: ErrorPlace): QuantscopeError =>
  new QuantscopeError('REQUEST', said`${why}: the refinement cannot go on.`, place);
