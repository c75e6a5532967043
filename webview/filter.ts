import * as l10n from '@vscode/l10n';
/**
 * The language of all filters. Words match anywhere in the name and the other texts of a line, in any case; a digit at the end of a
 * word ends the number, so that `layers.1` is not layer 10. A word with `*` or `?` is a glob over the whole name or another text as a
 * whole, `/…/` a regular expression over the name, `"…"` is taken literally. Side by side or joined with `&` all must match, with `|` one; `!` negates, and
 * parentheses group: `q_proj & !layers.0`.
 */

/** What a filter looks at. */
export interface Filtered {
  readonly name: string;
  /** Other texts of its line: dtypes, a state, a reason. */
  readonly texts: readonly string[];
}

type Test = (line: Filtered) => boolean;

/** A valid filter, or what is wrong with it. */
export type Filter =
  | { readonly kind: 'all' }
  | { readonly kind: 'test'; readonly matches: Test }
  | { readonly kind: 'error'; readonly message: string };

export function parseFilter(text: string): Filter {
  if (text.trim() === '') return { kind: 'all' };
  try {
    const parser = new Parser(tokensOf(text));
    return { kind: 'test', matches: parser.whole() };
  } catch (error) {
    if (error instanceof FilterError) return { kind: 'error', message: error.message };
    throw error;
  }
}

/** Those that match; all of them with an empty filter, or one that is not valid. */
export function filtered<T>(items: readonly T[], filter: Filter, of: (item: T) => Filtered): readonly T[] {
  return filter.kind === 'test' ? items.filter((item) => filter.matches(of(item))) : items;
}

class FilterError extends Error {}

type Token =
  | { readonly kind: 'operator'; readonly text: '&' | '|' | '!' | '(' | ')' }
  | { readonly kind: 'term'; readonly text: string; readonly test: Test };

/** An operator, a regular expression, a quoted text, or a word: whatever ends at a space or at an operator. */
const token = /\s*(?:([&|!()])[&|]?|\/((?:\\.|[^/\\])+)\/([a-z]*)|"([^"]*)"|([^\s&|!()"/][^\s&|()"]*))\s*/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  for (let at = 0; at < text.length; at = token.lastIndex) {
    const match = token.exec(text);
    if (!match) throw new FilterError(unfinished(text.slice(at).trim()));
    const [, operator, expression, flags, quoted, word] = match;
    if (operator !== undefined) tokens.push({ kind: 'operator', text: operator as '&' });
    else if (expression !== undefined) tokens.push(term(match[0], expressionTest(expression, flags ?? '')));
    else if (quoted !== undefined) tokens.push(term(match[0], textTest(quoted)));
    else tokens.push(term(word!, /[*?]/.test(word!) ? globTest(word!) : wordTest(word!)));
  }
  return tokens;
}

const term = (text: string, test: Test): Token => ({ kind: 'term', text: text.trim(), test });

function unfinished(rest: string): string {
  if (rest.startsWith('/')) return l10n.t('The regular expression {0} has no closing “/”.', rest);
  return rest.startsWith('"')
    ? l10n.t('The quotation mark is not closed.')
    : l10n.t('“{0}” is not understood.', rest);
}

function expressionTest(source: string, flags: string): Test {
  try {
    const expression = new RegExp(source, flags.replace(/[gy]/g, ''));
    return ({ name }) => expression.test(name);
  } catch (error) {
    throw new FilterError(error instanceof Error ? `${error.message}.` : String(error));
  }
}

const escaped = (text: string): string => text.replace(/[.+^${}()|[\]\\*?/-]/g, '\\$&');

function globTest(glob: string): Test {
  const source = escaped(glob).replaceAll('\\*', '.*').replaceAll('\\?', '.');
  return matching(new RegExp(`^(?:${source})$`, 'i'));
}

const textTest = (text: string): Test => containing(escaped(text));

function wordTest(word: string): Test {
  const start = /^\d/.test(word) ? '(?<!\\d)' : '';
  const end = /\d$/.test(word) ? '(?!\\d)' : '';
  return containing(start + escaped(word) + end);
}

const containing = (source: string): Test => matching(new RegExp(source, 'i'));

const matching =
  (expression: RegExp): Test =>
  ({ name, texts }) =>
    expression.test(name) || texts.some((text) => expression.test(text));

/** or := and ("|" and)* · and := not ("&"? not)* · not := "!"* (term | "(" or ")") */
class Parser {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  whole(): Test {
    const test = this.or();
    if (this.at < this.tokens.length) throw new FilterError(l10n.t('There is a “)” without a “(”.'));
    return test;
  }

  private or(): Test {
    const tests = [this.and()];
    while (this.take('|')) tests.push(this.and());
    return tests.length === 1 ? tests[0]! : (line) => tests.some((test) => test(line));
  }

  private and(): Test {
    const tests = [this.not()];
    while (this.take('&') || this.startsOperand()) tests.push(this.not());
    return tests.length === 1 ? tests[0]! : (line) => tests.every((test) => test(line));
  }

  private not(): Test {
    if (this.take('!')) {
      const test = this.not();
      return (line) => !test(line);
    }
    if (this.take('(')) {
      const test = this.or();
      if (!this.take(')')) throw new FilterError(l10n.t('A “(” is not closed.'));
      return test;
    }
    const next = this.tokens[this.at++];
    if (next?.kind === 'term') return next.test;
    throw new FilterError(
      next ? l10n.t('There is nothing before “{0}”.', next.text) : l10n.t('The filter ends too early.'),
    );
  }

  private startsOperand(): boolean {
    const next = this.tokens[this.at];
    return next !== undefined && (next.kind === 'term' || next.text === '!' || next.text === '(');
  }

  private take(operator: string): boolean {
    const next = this.tokens[this.at];
    if (next?.kind !== 'operator' || next.text !== operator) return false;
    this.at += 1;
    return true;
  }
}
