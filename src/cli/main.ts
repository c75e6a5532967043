import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runProbe } from '../graph/probe';
import { createJobs } from '../engine/jobs';
import { OpenModels } from '../engine/models';
import { openCacheFolder } from '../files/cacheFolder';
import { removeAbandoned } from '../files/partials';
import { serializeError } from '../model/errors';
import type { EngineProgress } from '../protocol/engine';
import type { ModelDescription, ModelRef } from '../protocol/model';
import type { EvaluationPoint } from '../protocol/evaluation';
import packageJson from '../../package.json';
import { UsageError, type Command, type Options } from './command';
import { compareCommand } from './compare';
import { evalCommand } from './eval';
import { exportCommand } from './export';
import { formatsCommand } from './formats';
import { gpuRuntimeCommand } from './gpuRuntime';
import { imatrixCommand } from './imatrix';
import { inspect } from './inspect';
import { quantize } from './quantize';
import { recommend } from './recommend';
import { sensitivity } from './sensitivity';
import { stats } from './stats';
import { json, number } from './text';

const commands: readonly Command[] = [
  inspect,
  stats,
  quantize,
  sensitivity,
  recommend,
  exportCommand,
  compareCommand,
  evalCommand,
  imatrixCommand,
  formatsCommand,
  gpuRuntimeCommand,
];

/** Opens one file of a model of several alone. */
const thisFile = 'this-file';

const exitDone = 0;
const exitFailed = 1;
const exitUsage = 2;

interface Invocation {
  readonly command: Command;
  readonly model: ModelRef;
  readonly other?: string;
  readonly action?: string;
  readonly options: Options;
}

/** @returns the exit status: 0 done, 1 the job failed, 2 wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const [name] = args;
  if (name === '--version') return print(packageJson.version);
  if (name === '--help' || name === 'help') return print(usage());
  let invocation: Invocation | undefined;
  try {
    invocation = parse(args);
    if (invocation.options['help'] === true) return print(commandUsage(invocation.command));
    return await run(invocation);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const command = invocation?.command ?? commands.find((item) => item.name === name);
    console.error(`quantscope: ${error.message}\n\n${command ? commandUsage(command) : usage()}`);
    return exitUsage;
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return exitDone;
}

function parse(args: readonly string[]): Invocation {
  if (args.length === 0) throw new UsageError('name a command');
  const command = commands.find((item) => item.name === args[0]);
  if (!command) throw new UsageError(`there is no command "${args[0]}"`);
  const { values, positionals } = parseOptions(command, args.slice(1));
  const operands = operandsOf(command);
  if (values['help'] !== true) {
    if (positionals.length !== operands.length) {
      const wanted = ['no operand', `one ${operands[0]}`, operands.join(' and ')][operands.length];
      throw new UsageError(`${command.name} takes ${wanted}`);
    }
    for (const [option, spec] of Object.entries(command.options)) {
      if (spec.required && values[option] === undefined) throw new UsageError(`--${option} is missing`);
    }
  }
  if (command.actions)
    return { command, model: { path: resolve('.') }, ...actionOf(command, positionals[0]), options: values };
  const [first = '.', second] = positionals;
  const other = second === undefined ? {} : { other: resolve(second) };
  const model = { path: resolve(first), alone: values[thisFile] === true };
  return { command, model, ...other, options: values };
}

const operandsOf = ({ actions, operand, second }: Command): string[] =>
  [actions?.join('|'), operand, second].filter((name) => name !== undefined);

/** Absent when help was asked for. @throws UsageError for a word that is no action of the command. */
function actionOf({ name, actions = [] }: Command, action: string | undefined): { action?: string } {
  if (action === undefined) return {};
  if (!actions.includes(action))
    throw new UsageError(`${name} has no "${action}", but ${actions.join(', ')}`);
  return { action };
}

function parseOptions(command: Command, args: readonly string[]) {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, spec]) => [
      name,
      { type: spec.type, multiple: spec.multiple === true },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        ...options,
        ...(command.operand ? { [thisFile]: { type: 'boolean' } } : {}),
        ...{ json: { type: 'boolean' }, help: { type: 'boolean' } },
      },
      allowPositionals: true,
    });
    return { values: values as Invocation['options'], positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function run({ command, model, other, action, options }: Invocation): Promise<number> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  await removeAbandoned();
  const cache = await openCacheFolder();
  if (cache.warning !== undefined) console.error(`quantscope: ${cache.warning}`);
  const progress = new ProgressLine();
  const models = new OpenModels((opened) => {
    progress.clear();
    for (const note of notesOf(opened)) console.error(`Note: ${note}`);
  });
  try {
    const result = await command.run({
      ...(other === undefined ? {} : { other }),
      ...(action === undefined ? {} : { action }),
      ...{ model, options, jobs: createJobs(models), signal: controller.signal },
      progress: (step) => progress.show(step),
      cacheDir: join(cache.folder, 'sensitivity'),
      evaluationDir: join(cache.folder, 'evaluation'),
    });
    progress.clear();
    const status = print(options['json'] === true ? json(result.json) : result.text);
    if (result.failure === undefined) return status;
    console.error(`quantscope: ${result.failure}`);
    return exitFailed;
  } catch (error) {
    progress.clear();
    if (error instanceof UsageError) throw error;
    const known = { ...serializeError(error), stack: undefined };
    if (options['json'] === true) process.stdout.write(`${json({ error: known })}\n`);
    console.error(`quantscope: ${known.message}`);
    return exitFailed;
  } finally {
    await models.close();
    await cache.close();
  }
}

/** What was opened in place of the path that was given, and what was chosen. */
function notesOf({ name, part, notes, weightFiles: { present, total } }: ModelDescription): string[] {
  const of = present < total ? `${present} of ${total} files are present` : `${total} files`;
  if (!part) return [...notes];
  const { file, number: which, count, alone } = part;
  const opened = alone
    ? `${file} is file ${which} of ${count} of a model and is opened alone.`
    : `${file} is file ${which} of ${count} of the model ${name}, which is opened whole (${of}); --${thisFile} opens the file alone.`;
  return [opened, ...notes];
}

/** Progress on stderr: one line that is rewritten on a terminal, a line every few seconds elsewhere. */
class ProgressLine {
  private last = -Infinity;
  private shown = false;

  show({ message, done, total, unit, secondsLeft, curve }: EngineProgress): void {
    const interval = process.stderr.isTTY ? 100 : 5000;
    if (performance.now() - this.last < interval) return;
    this.last = performance.now();
    const left = secondsLeft === undefined ? '' : `, ${Math.ceil(secondsLeft)} s left`;
    const share =
      unit === 'bytes' ? `${Math.floor((100 * done) / Math.max(1, total))} %` : `${done}/${total}`;
    const point = curve?.points.at(-1);
    const line = `${share} ${message}${point ? `, ${figures(point)}` : ''}${left}`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    this.shown = true;
  }

  clear(): void {
    if (this.shown && process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}

/** The curve of an evaluation, where it is now. */
function figures({ perplexity, divergence }: EvaluationPoint): string {
  return `perplexity ${number(perplexity)}${divergence === undefined ? '' : `, mean KLD ${number(divergence)}`}`;
}

function usage(): string {
  const calls = commands.map((command) => [command.name, ...operandsOf(command)].join(' '));
  const width = Math.max(...calls.map((call) => call.length)) + 2;
  const lines = commands.map(({ summary }, i) => `  ${calls[i]!.padEnd(width)}${summary}`);
  return [
    'Usage: quantscope COMMAND …',
    '',
    ...lines,
    '',
    'A MODEL is a file or a folder. All commands take --json (one JSON document on stdout) and --help.',
    'Exit status: 0 done, 1 the job failed, 2 wrong usage.',
  ].join('\n');
}

function commandUsage(command: Command): string {
  const options = Object.entries(command.options).map(([name, spec]) => {
    const label = `--${name}${spec.value === undefined ? '' : ` ${spec.value}`}`;
    return `  ${label.padEnd(30)}${spec.help}${spec.required ? ' (required)' : ''}`;
  });
  return [
    `Usage: quantscope ${[command.name, ...operandsOf(command)].join(' ')} [options]`,
    '',
    command.summary,
    '',
    ...options,
    ...(command.operand
      ? [`  ${`--${thisFile}`.padEnd(30)}open the named file alone, not the model that it is part of`]
      : []),
    `  ${'--json'.padEnd(30)}one JSON document on stdout`,
  ].join('\n');
}

// A reader that has seen enough (`quantscope … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitDone);
});

const probe = process.argv.indexOf('--probe');
if (probe >= 0 && process.send) {
  void runProbe(process.argv[probe + 1] ?? '');
} else {
  process.exitCode = await main(process.argv.slice(2));
}
