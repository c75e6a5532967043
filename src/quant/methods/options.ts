import type { MethodDescription, MethodOptions } from '../../protocol/recipe';

/** The options of a method with those of a choice in place of its defaults. */
export function optionsOf(
  { options }: Pick<MethodDescription, 'options'>,
  given: MethodOptions = {},
): MethodOptions {
  return { ...Object.fromEntries(options.map(({ name, default: value }) => [name, value])), ...given };
}
