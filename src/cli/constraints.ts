import type { PlanConstraint } from '../protocol/plan';
import { formatById } from '../quant/catalogue';
import { listOption, textOptions, UsageError, type CommandContext, type OptionSpec } from './command';

/** Options of what a plan has to meet. A format is pinned by allowing no other. */
export const constraintOptions: Readonly<Record<string, OptionSpec>> = {
  allow: listOption('PATTERN=F,…', 'formats of the tensors whose names match PATTERN: only these'),
  exclude: listOption('PATTERN=F,…', 'formats of such tensors: none of these'),
  min: listOption('PATTERN=N', 'fewest bits per weight of each of such tensors'),
  group: listOption('PATTERN', 'such tensors of one layer get the same format'),
};

/** The constraints of a plan. @throws UsageError for one that is not of the form that its option takes. */
export function constraintsOf(context: CommandContext): PlanConstraint[] {
  const pairs = (name: string): [tensors: string, value: string][] =>
    textOptions(context, name).map((text) => {
      const at = text.lastIndexOf('=');
      if (at > 0 && at < text.length - 1)
        return [checkedPattern(name, text.slice(0, at)), text.slice(at + 1)];
      throw new UsageError(`--${name} takes PATTERN=VALUE, not "${text}".`);
    });
  return [
    ...pairs('allow').map(([tensors, list]) => ({ tensors, allow: formatsIn(list) })),
    ...pairs('exclude').map(([tensors, list]) => ({ tensors, exclude: formatsIn(list) })),
    ...pairs('min').map(([tensors, bits]) => ({ tensors, minBits: bitsFrom(bits) })),
    ...textOptions(context, 'group').map((text) => ({
      ...{ tensors: checkedPattern('group', text), agree: true as const },
    })),
  ];
}

const formatsIn = (list: string): string[] => list.split(',').map((id) => formatById(id.trim()).id);

function bitsFrom(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`--min takes PATTERN=N, N bits per weight, not "${text}".`);
}

function checkedPattern(option: string, source: string): string {
  try {
    new RegExp(source);
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}.`);
  }
  if (source.length > 0) return source;
  throw new UsageError(`--${option} takes a pattern of names, not an empty text.`);
}
