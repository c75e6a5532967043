import { suggestion } from '../model/closest';
import type { EngineProgress } from '../protocol/engine';
import type { ModelRef } from '../protocol/model';
import type { Jobs } from '../engine/job';

/** Options in the form of parseArgs, with their help text. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly value?: string;
  readonly help: string;
  readonly required?: boolean;
  /** Where its value comes from, as a sentence: said where it is missing. */
  readonly source?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** It names a model or a part of one, which may lie on a server. */
  readonly mayBeAddress?: boolean;
}

/** Options as given. */
export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface CommandContext {
  /** MODEL. */
  readonly model: ModelRef;
  /** Which of the command's actions. */
  readonly action?: string;
  /** The second operand, absolute, of a command that takes two. */
  readonly other?: string;
  /** The operand of a command that may have one. */
  readonly word?: string;
  readonly options: Options;
  readonly jobs: Jobs;
  readonly signal: AbortSignal;
  readonly progress: (progress: EngineProgress) => void;
  /** Prints a part of the result before the rest is known; it may have several lines, or end within one. */
  readonly say: (text: string) => void;
  /** Whether anybody may still read what is said: a pipe (`… | head`) may be closed. */
  readonly isHeard: () => boolean;
  /** Prints something on stderr that the user should know before the work is done. */
  readonly note: (text: string) => void;
  /** Where sensitivity results are kept. */
  readonly cacheDir: string;
  /** Where results of evaluations are kept. */
  readonly evaluationDir: string;
}

/** Result of a command: data for --json, and the same as text, line by line. */
export interface CommandResult {
  readonly json: unknown;
  /** A line break inside a line is part of a name, and shown escaped. */
  readonly lines: readonly string[];
  /** Why the command fails although it completed: exit status 1. */
  readonly failure?: string;
}

/** One subcommand of `quantscope`. */
export interface Command {
  readonly name: string;
  /** Allowed values of the first operand. */
  readonly actions?: readonly string[];
  /** "MODEL"; undefined when it takes none. */
  readonly operand?: string;
  /** Name of a second operand. */
  readonly second?: string;
  /** Name of the only operand, which may be absent. */
  readonly optional?: string;
  readonly summary: string;
  /** What to do with more operands than it takes. */
  readonly moreOperands?: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Whether results are kept between runs, so that a cache is needed: always, or with some options only. */
  readonly keepsResults?: boolean | ((options: Options) => boolean);
  run(context: CommandContext): Promise<CommandResult>;
}

/** Names of a command's operands. */
export const operandsOf = ({ actions, operand, second, optional }: Command): string[] =>
  [actions?.join('|'), operand, second, optional && `[${optional}]`].filter((name) => name !== undefined);

/** Option of commands that take a model: opens only one file of a multi-file model. */
export const thisFile = 'this-file';

/** Option of commands that take a model: all that is read is compared with the digests that were written with it. */
export const checkDigests = 'check-digests';

/** Wrong usage: exit status 2. */
export class UsageError extends Error {}

/** A text option; undefined when it was not given. */
export function textOption(context: CommandContext, name: string): string | undefined {
  const value = context.options[name];
  return typeof value === 'string' ? value : undefined;
}

/** All values of an option that may be given several times. */
export function textOptions(context: CommandContext, name: string): readonly string[] {
  const value = context.options[name];
  return typeof value === 'object' ? value : [];
}

/** A whole number of at least 1; undefined when it was not given. @throws UsageError for anything else. */
export function countOption(context: CommandContext, name: string): number | undefined {
  const text = textOption(context, name);
  if (text === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new UsageError(`--${name} takes a whole number of at least 1, not "${text}".`);
  return Number(text);
}

/** One of the values that an option takes; undefined when it was not given. @throws UsageError for anything else. */
export function choiceOption<T extends string>(
  context: CommandContext,
  name: string,
  choices: readonly T[],
): T | undefined {
  const given = textOption(context, name);
  if (given === undefined) return undefined;
  const choice = choices.find((value) => value === given);
  if (choice === undefined)
    throw new UsageError(`--${name} takes ${listed(choices)}, not "${given}".${suggestion(given, choices)}`);
  return choice;
}

/** "a, b or c". */
const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

export function requiredOption(context: CommandContext, name: string): string {
  const value = textOption(context, name);
  if (value === undefined) throw new UsageError(`--${name} is missing.`);
  return value;
}

/** An option with a value, and one without. */
export const valueOption = (value: string, help: string) => ({ type: 'string', value, help }) as const;
/** An option that may be given several times. */
export const listOption = (value: string, help: string) =>
  ({ type: 'string', value, help, multiple: true }) as const;
/** A model besides MODEL: `absolutePlace` is its path. */
export const modelOption = (value: string, help: string) =>
  ({ ...valueOption(value, help), mayBeAddress: true }) as const;
export const flagOption = (help: string) => ({ type: 'boolean', help }) as const;
