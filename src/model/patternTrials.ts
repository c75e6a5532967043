import { inBoundedTime } from './boundedTime';
import { QuantscopeError } from './errors';
import { said } from '../protocol/said';

/** Milliseconds that all patterns of a request may take for all names of a model; usually a few. */
const usualLimit = 10_000;

/** Trials of regular expressions that users or files bring on names: one that backtracks without end is an error that names it. */
export class PatternTrials {
  private pattern = /(?:)/;
  private name = '';

  /** @param whose the start of the error: "The patterns of the recipe". */
  constructor(private readonly whose: string) {}

  /** To be called inside `run`. @throws QuantscopeError REQUEST for a pattern that is too large, which shows at its first use. */
  test(pattern: RegExp, name: string): boolean {
    this.pattern = pattern;
    this.name = name;
    try {
      return pattern.test(name);
    } catch (cause) {
      throw new QuantscopeError('REQUEST', said`${this.whose}: ${shown(pattern)} is too large.`, {}, cause);
    }
  }

  /**
   * Runs work that tests names.
   * @throws QuantscopeError REQUEST naming the pattern and the name after `limit` milliseconds; CANCELLED on Ctrl-C.
   */
  run<T>(work: () => T, limit = usualLimit): T {
    return inBoundedTime(work, limit, () => {
      const trial = `${shown(this.pattern)} on "${this.name}"`;
      const message = said`${this.whose} take longer than ${limit / 1000} seconds: ${trial} tries too many ways to match.`;
      return new QuantscopeError('REQUEST', message);
    });
  }
}

/** Characters of a pattern that a message shows. */
const maxShown = 1000;

const shown = ({ source }: RegExp): string =>
  source.length > maxShown ? `${source.slice(0, maxShown)}…` : source;
