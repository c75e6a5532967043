import { checkDigests, operandsOf, thisFile, type Command, type OptionSpec } from './command';
import { commandGroups, commands } from './commands';
import { wrapped } from './text';

/** Columns of an option's name in the help. */
const labelWidth = 30;

/** From a model to a file that fits, in the order of the work. */
const purpose =
  'For a graphics card with 8 GB, with room for 8,192 tokens of context and the buffers of llama.cpp:';
const example = [
  '  quantscope recommend MODEL --fit 7.5GB --ctx-size 8192 --out plan.ampq.json',
  '  quantscope export MODEL --plan plan.ampq.json --out model.gguf',
  '  quantscope eval MODEL --text text.txt --plan plan.ampq.json',
];

/** What holds for all commands. */
const rules = [
  'MODEL is a folder, an index or a file of a model, here or on a server (https://…, hf://OWNER/MODEL); a shard opens the model that it is part of.',
  'Every command takes --json (one JSON document on stdout) and --help.',
  'Results go to stdout; progress, notes and errors to stderr.',
  'Ctrl-C cancels and leaves existing files unchanged; a second one ends the process immediately.',
  'Exit status: 0 success, 1 failure, 2 wrong usage, 130 cancelled by Ctrl-C.',
];

/** Help of the program, in lines of at most `columns` characters. */
export function usage(columns: number): string[] {
  const width = commands.reduce((most, command) => Math.max(most, callOf(command).length), 0) + 2;
  return [
    'Usage: quantscope COMMAND [OPERANDS] [options]',
    '',
    ...commandGroups.flatMap((group) => [
      `${group.title}:`,
      ...group.commands.flatMap((command) =>
        wrapped(`  ${callOf(command).padEnd(width)}`, command.summary, columns),
      ),
      '',
    ]),
    ...wrapped('', purpose, columns),
    ...example,
    '',
    ...rules.flatMap((rule) => wrapped('', rule, columns)),
  ];
}

/** What a wrong call is answered with: short, so that the reason above it stays in sight. */
export function shortUsage(command: Command | undefined): string[] {
  if (!command) return ['Usage: quantscope COMMAND [OPERANDS] [options]', 'All commands: quantscope --help'];
  return [usageLine(command), `All options: quantscope ${command.name} --help`];
}

/** Help of a command, in lines of at most `columns` characters. */
export function commandUsage(command: Command, columns: number): string[] {
  const common: [string, OptionSpec][] = [
    ...(command.operand
      ? ([
          [thisFile, flag('open only the file that is named, not the model that it is part of')],
          [checkDigests, flag('compare all that is read with the digests that were written with it')],
        ] as const)
      : []),
    ['json', flag('print one JSON document on stdout')],
    ['help', flag('print this help')],
  ].map(([name, spec]) => [name as string, spec as OptionSpec]);
  return [
    usageLine(command),
    '',
    ...wrapped('', command.summary, columns),
    '',
    ...[...Object.entries(command.options), ...common].flatMap(([name, spec]) =>
      optionLines(name, spec, columns),
    ),
  ];
}

const usageLine = (command: Command): string => `Usage: quantscope ${callOf(command)} [options]`;

const callOf = (command: Command): string => [command.name, ...operandsOf(command)].join(' ');

function flag(help: string): OptionSpec {
  return { type: 'boolean', help };
}

function optionLines(
  name: string,
  { value, help, required, multiple }: OptionSpec,
  columns: number,
): string[] {
  const label = `--${name}${value === undefined ? '' : ` ${value}`}`;
  const more = [...(required ? ['required'] : []), ...(multiple ? ['may be repeated'] : [])];
  const text = `${help}${more.length === 0 ? '' : ` (${more.join(', ')})`}`;
  return wrapped(`  ${label.padEnd(labelWidth)}`, text, columns);
}
