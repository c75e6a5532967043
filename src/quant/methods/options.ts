import { stated } from '../../model/statedValue';
import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import type { MethodDescription, MethodOptions, OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';

type Optioned = Pick<MethodDescription, 'id' | 'options'>;

/** The options of a method with those of a choice in place of its defaults. */
export function optionsOf(
  { options }: Pick<MethodDescription, 'options'>,
  given: MethodOptions = {},
): MethodOptions {
  return { ...Object.fromEntries(options.map(({ name, default: value }) => [name, value])), ...given };
}

/**
 * The same, where the choice is not checked yet.
 * @throws QuantscopeError REQUEST naming the first option that the method lacks or that has another value than it takes.
 */
export function checkedOptions(method: Optioned, given: MethodOptions = {}): MethodOptions {
  for (const [name, value] of Object.entries(given)) {
    const problem = optionProblem(method, name, value);
    if (problem !== undefined) throw new QuantscopeError('REQUEST', said`The option ${name} ${problem}`);
  }
  return optionsOf(method, given);
}

/** What is wrong with an option of a method, as a sentence about it; undefined where it can be set so. */
export function optionProblem({ id, options }: Optioned, name: string, value: unknown): string | undefined {
  const names = options.map((option) => option.name);
  const option = options.find((item) => item.name === name);
  if (!option) return said`is not an option of ${id}.${suggestion(name, names)}`;
  const expected = expectedOf(option, value);
  return expected === undefined ? undefined : said`${stated(value)}; it must be ${expected}.`;
}

/** What the value of an option must be; undefined where it is that. */
function expectedOf(option: OptionDescription, value: unknown): string | undefined {
  switch (option.type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'true or false';
    case 'choice':
      return option.choices.includes(value as string) ? undefined : said`one of ${option.choices.join(', ')}`;
    case 'number': {
      const { minimum, maximum } = option;
      const isInside = typeof value === 'number' && value >= minimum && value <= maximum;
      return isInside ? undefined : said`a number from ${minimum} to ${maximum}`;
    }
  }
}
