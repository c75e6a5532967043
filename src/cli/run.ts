import { join } from 'node:path';
import packageJson from '../../package.json';
import { createJobs } from '../engine/jobs';
import { OpenModels } from '../engine/models';
import { openCacheFolder, type CacheFolder } from '../files/cacheFolder';
import { removeAbandoned } from '../files/partials';
import { serializeError } from '../model/errors';
import type { ModelDescription } from '../protocol/model';
import { thisFile, UsageError, type Command, type CommandResult, type Options } from './command';
import { commandNamed, parseInvocation, requiredCommand, type Invocation } from './invocation';
import type { Terminal } from './terminal';
import { json } from './text';
import { commandUsage, shortUsage, usage } from './usage';

export const exitStatus = { success: 0, failure: 1, usage: 2 } as const;

/**
 * Runs a command line.
 * @param signal cancels the command; its reason is the exit status of a cancelled one.
 * @returns the exit status.
 */
export async function runCommandLine(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const [name] = args;
  if (name === '--version') return print(terminal, [packageJson.version]);
  if (name === '--help') return print(terminal, usage(terminal.width));
  try {
    if (name === 'help') return print(terminal, helpOn(args.slice(1), terminal.width));
    const invocation = parseInvocation(args);
    if (invocation.options['help'] === true)
      return print(terminal, commandUsage(invocation.command, terminal.width));
    return await run(invocation, terminal, signal);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const command = commandNamed(name);
    if (args.includes('--json')) printJson(terminal, { error: { code: 'USAGE', message: error.message } });
    terminal.tell(`quantscope: ${error.message}`);
    for (const line of ['', ...(name === undefined ? usage(terminal.width) : shortUsage(command))])
      terminal.tell(line);
    return exitStatus.usage;
  }
}

/** Help on the program, or on the command that is named. */
function helpOn([name]: readonly string[], width: number): string[] {
  return name === undefined ? usage(width) : commandUsage(requiredCommand(name), width);
}

const print = (terminal: Terminal, lines: readonly string[]): number =>
  terminal.print(lines) ? exitStatus.success : exitStatus.failure;

const printJson = (terminal: Terminal, data: unknown): boolean => terminal.print(json(data).split('\n'));

async function run(invocation: Invocation, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const asJson = invocation.options['json'] === true;
  try {
    const { json: data, lines, failure } = await resultOf(invocation, terminal, signal);
    const isWritten = asJson ? printJson(terminal, data) : terminal.print(lines);
    if (failure !== undefined) terminal.tell(`quantscope: ${failure}`);
    return isWritten && failure === undefined ? exitStatus.success : exitStatus.failure;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const known = { ...serializeError(error), stack: undefined };
    if (asJson) printJson(terminal, { error: known });
    terminal.tell(`quantscope: ${known.message}`);
    return known.code === 'CANCELLED' && typeof signal.reason === 'number'
      ? signal.reason
      : exitStatus.failure;
  }
}

async function resultOf(
  { command, options, ...operands }: Invocation,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<CommandResult> {
  await removeAbandoned();
  let cache: CacheFolder | undefined;
  const models = new OpenModels((opened) => {
    for (const note of notesOf(opened)) terminal.tell(`Note: ${note}`);
  });
  try {
    if (keepsResults(command, options)) cache = await openCacheFolder();
    if (cache?.warning !== undefined) terminal.tell(`Warning: ${cache.warning}`);
    return await command.run({
      ...{ ...operands, options, jobs: createJobs(models), signal },
      progress: (step) => terminal.progress(step),
      // With --json the result is one document.
      say: (text) => {
        if (options['json'] !== true) terminal.say(text);
      },
      isHeard: () => terminal.isHeard,
      note: (text) => terminal.tell(text),
      cacheDir: join(cache?.folder ?? '', 'sensitivity'),
      evaluationDir: join(cache?.folder ?? '', 'evaluation'),
    });
  } finally {
    await models.close();
    await cache?.close();
  }
}

const keepsResults = ({ keepsResults: when = false }: Command, options: Options): boolean =>
  typeof when === 'boolean' ? when : when(options);

/** What was opened instead of the given path, and what was chosen. */
function notesOf({ name, part, notes, weightFiles: { present, total } }: ModelDescription): string[] {
  const of = present < total ? `${present} of ${total} files are present` : `${total} files`;
  if (!part) return [...notes];
  const { file, number: which, count, alone } = part;
  const opened = alone
    ? `${file} is file ${which} of ${count} of a model and is opened alone.`
    : `${file} is file ${which} of ${count} of the model ${name}, which is opened whole (${of}); --${thisFile} opens the file alone.`;
  return [opened, ...notes];
}
