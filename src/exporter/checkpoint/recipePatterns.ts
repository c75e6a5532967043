import { PatternTrials } from '../../model/patternTrials';
import type { Recipe } from '../../protocol/recipe';
import { isOutput } from './linearWeights';

/** Which names a recipe means: modules to skip, and the first rule that matches. Patterns come from files. */
export class RecipePatterns {
  /** Undefined where the recipe does not say which modules are kept: the output is. */
  private readonly skipped: readonly (string | RegExp)[] | undefined;
  private readonly rules: readonly (RegExp | undefined)[];
  private readonly trials = new PatternTrials('The patterns of the recipe');

  constructor({ skip, rules }: Pick<Recipe, 'skip' | 'rules'>) {
    this.skipped = skip?.map((item) =>
      item.startsWith('re:') ? new RegExp(`^(?:${item.slice(3)})`, 'u') : item,
    );
    this.rules = rules.map(({ match }) => (match === undefined ? undefined : new RegExp(match, 'u')));
  }

  /**
   * Whether a module is kept, as transformers reads `modules_to_not_convert`: its name, one that it ends with, one that it lies in, or
   * a regular expression after `re:`.
   */
  skips(module: string): boolean {
    if (!this.skipped) return isOutput(`${module}.weight`);
    return this.skipped.some((item) =>
      typeof item === 'string' ? `.${module}.`.includes(`.${item}.`) : this.matches(item, module),
    );
  }

  /** Index of the first rule that matches, or −1; one without a pattern matches all `usual` tensors. */
  ruleOf(name: string, usual = true): number {
    return this.rules.findIndex((pattern) => (pattern ? this.matches(pattern, name) : usual));
  }

  /**
   * Runs work that asks for names: an expression that backtracks without end ends it.
   * @throws QuantscopeError REQUEST naming the pattern and the name after `limit` milliseconds.
   */
  decide<T>(work: () => T, limit?: number): T {
    return this.trials.run(work, limit);
  }

  private matches(pattern: RegExp, name: string): boolean {
    return this.trials.test(pattern, name);
  }
}
