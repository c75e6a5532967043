import { PatternTrials } from '../../model/patternTrials';
import type { Recipe } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { isOutput } from './linearWeights';

/** A module to skip: as the recipe names it, and how it is matched. */
interface Skipped {
  readonly item: string;
  readonly pattern: RegExp | string;
}

/** Which names a recipe means: modules to skip, and the first rule that matches. Patterns come from files. */
export class RecipePatterns {
  /** Undefined where the recipe does not say which modules are kept: the output is. */
  private readonly skipped: readonly Skipped[] | undefined;
  private readonly rules: readonly (RegExp | undefined)[];
  /** Patterns that some name matched. */
  private readonly matched = new Set<RegExp | string>();
  private readonly trials = new PatternTrials(said`The patterns of the recipe`);

  constructor({ skip, rules }: Pick<Recipe, 'skip' | 'rules'>) {
    this.skipped = skip?.map((item) => ({
      item,
      pattern: item.startsWith('re:') ? new RegExp(`^(?:${item.slice(3)})`, 'u') : item,
    }));
    this.rules = rules.map(({ match }) => (match === undefined ? undefined : new RegExp(match, 'u')));
  }

  /** Whether the recipe leaves it to us which modules are kept. */
  get skipsByDefault(): boolean {
    return this.skipped === undefined;
  }

  /**
   * Whether a module is kept, as transformers reads `modules_to_not_convert`: its name, one that it ends with, one that it lies in, or
   * a regular expression after `re:`.
   */
  skips(module: string): boolean {
    if (!this.skipped) return isOutput(`${module}.weight`);
    // All are tried, so that `idle` knows of each whether it matches anything.
    return this.skipped.filter(({ pattern }) => this.matches(pattern, module)).length > 0;
  }

  /** Rules and modules of the recipe that none of the names asked for so far led to, as sentences. */
  idle(): string[] {
    const rules = this.rules.flatMap((pattern, index) =>
      pattern && !this.matched.has(pattern)
        ? [said`Rule ${index + 1} (${pattern.source}) applies to no tensor.`]
        : [],
    );
    // Recipes name the head for all models; those with tied embeddings have none.
    const skipped = (this.skipped ?? []).filter(
      ({ item, pattern }) => !this.matched.has(pattern) && item !== 'lm_head',
    );
    return [...rules, ...skipped.map(({ item }) => said`"${item}" in skip matches no module.`)];
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

  private matches(pattern: RegExp | string, name: string): boolean {
    const isMatch =
      typeof pattern === 'string' ? `.${name}.`.includes(`.${pattern}.`) : this.trials.test(pattern, name);
    if (isMatch) this.matched.add(pattern);
    return isMatch;
  }
}
