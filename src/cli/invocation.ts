import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { suggestion } from '../model/closest';
import { absolutePlace } from '../model/place';
import { isAddress } from '../model/remote/address';
import type { ModelRef } from '../protocol/model';
import { plural } from '../protocol/words';
import { checkDigests, operandsOf, thisFile, UsageError, type Command, type Options } from './command';
import { adaptersOf } from './adapters';
import { commands } from './commands';

/** A parsed command line. */
export interface Invocation {
  readonly command: Command;
  readonly model: ModelRef;
  /** The second operand, absolute. */
  readonly other?: string;
  readonly action?: string;
  /** The operand of a command that may have one. */
  readonly word?: string;
  readonly options: Options;
}

/** The command named in a command line. */
export function commandNamed(name: string | undefined): Command | undefined {
  return commands.find((command) => command.name === name);
}

/** @throws UsageError for a name that no command has. */
export function requiredCommand(name: string): Command {
  const command = commandNamed(name);
  if (command) return command;
  const names = commands.map((known) => known.name);
  throw new UsageError(`There is no command "${name}".${suggestion(name, names)}`);
}

/** @throws UsageError saying what is wrong. */
export function parseInvocation(args: readonly string[]): Invocation {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError('No command given.');
  const command = requiredCommand(name);
  const { options, operands } = parseOptions(command, rest);
  if (options['help'] !== true) checkComplete(command, options, operands);
  const action = actionOf(command, operands[0]);
  if (command.optional !== undefined) {
    const word = operands[0] === undefined ? {} : { word: operands[0] };
    return { command, model: { path: resolve('.') }, ...word, options };
  }
  const [first = '.', second] = command.actions ? operands.slice(1) : operands;
  const adapters = adaptersOf(options);
  const model = {
    ...{ path: absolutePlace(first), alone: options[thisFile] === true },
    ...(options[checkDigests] === true ? { checked: true } : {}),
    ...(adapters ? { adapters } : {}),
  };
  return {
    command,
    model,
    ...action,
    ...(second === undefined ? {} : { other: absolutePlace(second) }),
    options,
  };
}

function checkComplete(command: Command, options: Options, operands: readonly string[]): void {
  const expected = operandsOf(command);
  const isComplete =
    command.optional === undefined ? operands.length === expected.length : operands.length <= 1;
  if (!isComplete) {
    const wanted = expected.length === 0 ? 'no operands' : expected.join(' and ');
    const more = operands.length > expected.length ? command.moreOperands : undefined;
    throw new UsageError(
      `${command.name} takes ${wanted}; ${plural(operands.length, 'operand')} ${operands.length === 1 ? 'was' : 'were'} given.${more === undefined ? '' : ` ${more}`}`,
    );
  }
  // An empty name is that of a variable of a script that is not set, and would mean the working folder.
  const empty = operands.indexOf('');
  if (empty >= 0) throw new UsageError(`${expected[empty] ?? command.optional} is empty.`);
  for (const [option, spec] of Object.entries(command.options))
    if (spec.required && options[option] === undefined)
      throw new UsageError(`--${option} is missing.${spec.source === undefined ? '' : ` ${spec.source}`}`);
}

/** Absent for a command without actions, and when help was requested. @throws UsageError for a word that is not an action of the command. */
function actionOf({ name, actions }: Command, action: string | undefined): { action?: string } {
  if (!actions || action === undefined) return {};
  if (!actions.includes(action))
    throw new UsageError(`${name} has no action "${action}"; it has ${actions.join(', ')}.`);
  return { action };
}

function parseOptions(
  command: Command,
  args: readonly string[],
): { options: Options; operands: readonly string[] } {
  const known: Record<string, { type: 'string' | 'boolean'; multiple?: boolean }> = {
    ...(command.operand ? { [thisFile]: { type: 'boolean' }, [checkDigests]: { type: 'boolean' } } : {}),
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  };
  for (const [name, { type, multiple = false }] of Object.entries(command.options))
    known[name] = { type, multiple };
  try {
    const { values, positionals, tokens } = parseArgs({
      ...{ args: [...args], options: known, allowPositionals: true, tokens: true },
    });
    checkValues(
      tokens.filter((token) => token.kind === 'option'),
      command.options,
    );
    return { options: values as Options, operands: positionals };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(messageOf(command, error, Object.keys(known)));
  }
}

/** @throws UsageError for an empty value, an address where none is read, and for a second value of an option that has one: none is ignored. */
function checkValues(
  given: readonly { readonly name: string; readonly value?: string | undefined }[],
  specs: Command['options'],
): void {
  const seen = new Set<string>();
  for (const { name, value } of given) {
    if (value === undefined) continue;
    if (value === '') throw new UsageError(`The value of --${name} is empty.`);
    if (specs[name]?.mayBeAddress !== true && isAddress(value))
      throw new UsageError(`--${name} takes no address: only models and their adapters may lie on a server.`);
    if (seen.has(name) && specs[name]?.multiple !== true)
      throw new UsageError(`--${name} is given more than once.`);
    seen.add(name);
  }
}

function messageOf(command: Command, error: unknown, known: readonly string[]): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const [, option] = /'(--?[^']+)'/.exec(message) ?? [];
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' && option !== undefined && message.includes('ambiguous'))
    return `${option} has no value; one that starts with a dash is written ${option}=VALUE.`;
  if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || option === undefined) return message;
  const options = known.map((name) => `--${name}`);
  return `${command.name} has no option ${option}.${suggestion(option, options)}`;
}
