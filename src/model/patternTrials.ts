import { inBoundedTime } from './boundedTime';
import { QuantscopeError } from './errors';

/** Milliseconds that all patterns of a request may take for all names of a model; usually a few. */
const usualLimit = 10_000;

/** Trials of regular expressions that users or files bring on names: one that backtracks without end is an error that names it. */
export class PatternTrials {
  private trying = '';

  /** @param whose the start of the error: "The patterns of the recipe". */
  constructor(private readonly whose: string) {}

  /** To be called inside `run`. */
  test(pattern: RegExp, name: string): boolean {
    this.trying = `${pattern.source} on "${name}"`;
    return pattern.test(name);
  }

  /**
   * Runs work that tests names.
   * @throws QuantscopeError REQUEST naming the pattern and the name after `limit` milliseconds; CANCELLED on Ctrl-C.
   */
  run<T>(work: () => T, limit = usualLimit): T {
    return inBoundedTime(work, limit, () => {
      const message = `${this.whose} take longer than ${limit / 1000} seconds: ${this.trying} tries too many ways to match.`;
      return new QuantscopeError('REQUEST', message);
    });
  }
}
