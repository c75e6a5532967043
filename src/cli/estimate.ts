import { resolve } from 'node:path';
import { fileTypes } from '../exporter/plan/fileTypes';
import { suggestion } from '../model/closest';
import { budgetFrom } from '../protocol/budget';
import { cacheTypes } from '../protocol/fit';
import { machines, type Machine } from '../protocol/machines';
import {
  assumptions,
  tokensPerSecond,
  totalBytes,
  type RunEstimate,
  type RunTarget,
  type WeightsEstimate,
} from '../protocol/runEstimate';
import { size } from '../protocol/words';
import { presets } from '../recipes/presets';
import {
  choiceOption,
  countOption,
  listOption,
  textOption,
  textOptions,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { number, table, wrapped } from './text';

const stored = 'stored';

/** What is compared where no format is named. */
const usualTargets: readonly RunTarget[] = [
  { kind: 'stored' },
  ...['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'IQ4_XS', 'Q3_K_M', 'Q2_K'].map((type) => ({
    kind: 'type' as const,
    type,
  })),
  ...['fp8-dynamic', 'bnb-nf4', 'gptq-int4-g128'].map((recipe) => ({ kind: 'recipe' as const, recipe })),
];

export const estimateCommand: Command = {
  name: 'estimate',
  operand: 'MODEL',
  summary:
    'Memory that a model takes when it runs, in any format, and the speed that a bandwidth allows; reads headers only',
  options: {
    format: listOption(
      'F',
      'a GGUF file type, a recipe, or "stored" for the files as they are (default: a choice of them)',
    ),
    plan: valueOption('FILE', 'a plan, besides the formats'),
    context: valueOption(
      'N',
      'tokens of each sequence (default: the context length of the model, at most 8,192)',
    ),
    batch: valueOption('N', 'sequences at a time (default: 1)'),
    kv: valueOption('T', `type of keys and values: ${cacheTypes.join(', ')} (default: f16)`),
    memory: valueOption('B', 'says what fits into so much memory: 8GB, 7.5GiB'),
    bandwidth: valueOption('B/S', 'says how fast text is made with so much bandwidth: 400GB/s'),
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const [memory, bandwidth] = [memoryOption(context), bandwidthOption(context)];
    const targets = targetsOf(context);
    const [tokens, sequences] = [countOption(context, 'context'), countOption(context, 'batch')];
    const cacheType = choiceOption(context, 'kv', cacheTypes);
    const estimate = await jobs['model/estimate'](
      {
        ...{ ...model, targets },
        ...(tokens === undefined ? {} : { context: tokens }),
        ...(sequences === undefined ? {} : { sequences }),
        ...(cacheType === undefined ? {} : { cacheType }),
      },
      { signal, progress },
    );
    const figures = estimate.targets.map((one) => figuresOf(estimate, one, { memory, bandwidth }));
    const hasMachines = targets.length === 1 && memory === undefined && bandwidth === undefined;
    const hasSpeed = hasMachines || bandwidth !== undefined;
    const assumed = Object.values(assumptions).filter((text) => hasSpeed || text !== assumptions.speed);
    return {
      json: { ...estimate, targets: estimate.targets.map((one, i) => ({ ...one, ...figures[i] })) },
      lines: [
        settingsLine(estimate),
        '',
        ...formatTable(estimate, { memory, bandwidth }),
        ...(hasMachines ? ['', ...machineTable(estimate)] : []),
        ...reasonsOf(estimate),
        '',
        ...assumed.flatMap((text) => wrapped('', text, columns)),
      ],
    };
  },
};

const columns = 100;

interface Given {
  readonly memory: number | undefined;
  readonly bandwidth: number | undefined;
}

function targetsOf(context: CommandContext): RunTarget[] {
  const [formats, plan] = [textOptions(context, 'format'), textOption(context, 'plan')];
  const named: RunTarget[] = [
    ...formats.map(targetNamed),
    ...(plan === undefined ? [] : [{ kind: 'plan', planFile: resolve(plan) } as const]),
  ];
  return named.length > 0 ? named : [...usualTargets];
}

/** @throws UsageError for a name that is neither that of a file type nor that of a recipe, with the closest. */
function targetNamed(name: string): RunTarget {
  if (name.toLowerCase() === stored) return { kind: 'stored' };
  const type = fileTypes.find((candidate) => candidate.name === name.toUpperCase());
  if (type) return { kind: 'type', type: type.name };
  const recipe = presets.find(({ id }) => id === name.toLowerCase());
  if (recipe) return { kind: 'recipe', recipe: recipe.id };
  const known = [stored, ...fileTypes.map((candidate) => candidate.name), ...presets.map(({ id }) => id)];
  throw new UsageError(`There is no format "${name}".${suggestion(name, known)}`);
}

function memoryOption(context: CommandContext): number | undefined {
  const text = textOption(context, 'memory');
  if (text === undefined) return undefined;
  const budget = budgetFrom(text);
  if (budget?.kind === 'bytes') return budget.value;
  throw new UsageError(`--memory takes a size, such as 8GB or 7.5GiB, not "${text}".`);
}

function bandwidthOption(context: CommandContext): number | undefined {
  const text = textOption(context, 'bandwidth');
  if (text === undefined) return undefined;
  const budget = budgetFrom(text.replace(/\/s\s*$/i, ''));
  if (budget?.kind === 'bytes' && budget.value > 0) return budget.value;
  throw new UsageError(`--bandwidth takes bytes per second, such as 400GB/s, not "${text}".`);
}

/** What a target takes, whether that fits, and how fast it is. */
function figuresOf(estimate: RunEstimate, target: WeightsEstimate, { memory, bandwidth }: Given) {
  const total = totalBytes(estimate, target);
  const speed = bandwidth === undefined ? undefined : tokensPerSecond(estimate, target, bandwidth);
  return {
    ...(total === undefined ? {} : { totalBytes: total }),
    ...(memory === undefined || total === undefined
      ? {}
      : { fits: total <= memory, leftBytes: memory - total }),
    ...(speed === undefined ? {} : { tokensPerSecond: speed }),
  };
}

function settingsLine({ settings, contextLength }: RunEstimate): string {
  const { context, sequences, cacheType } = settings;
  const trained =
    contextLength === undefined ? '' : ` (trained for ${contextLength.toLocaleString('en-US')})`;
  const many = sequences === 1 ? '1 sequence' : `${sequences} sequences`;
  return `${many} of ${context.toLocaleString('en-US')} tokens${trained}, keys and values in ${cacheType}`;
}

function formatTable(estimate: RunEstimate, given: Given): string[] {
  const { memory: run, targets } = estimate;
  const part = (bytes: number | undefined): string => (bytes === undefined ? '?' : size(bytes));
  const head = [
    ...['bits/weight', 'weights', 'keys and values', 'buffers', 'together'],
    ...(given.memory === undefined ? [] : [`of ${size(given.memory)}`]),
    ...(given.bandwidth === undefined ? [] : ['tokens/s']),
    'format',
  ];
  const rows = targets.flatMap((target) => {
    if (!target.weights) return [];
    const { totalBytes: total, leftBytes, tokensPerSecond: speed } = figuresOf(estimate, target, given);
    const { bitsPerWeight, bytes } = target.weights;
    return [
      [
        ...[
          bitsPerWeight.toFixed(2),
          size(bytes),
          part(run?.cacheBytes),
          part(run?.computeBytes),
          part(total),
        ],
        ...(given.memory === undefined ? [] : [leftText(leftBytes)]),
        ...(given.bandwidth === undefined ? [] : [speed === undefined ? '?' : number(speed)]),
        target.label,
      ],
    ];
  });
  return rows.length === 0 ? [] : table(head, rows);
}

const leftText = (left: number | undefined): string =>
  left === undefined ? '?' : left >= 0 ? `fits, ${size(left)} left` : `${size(-left)} too much`;

function machineTable(estimate: RunEstimate): string[] {
  const [target] = estimate.targets;
  if (!target?.weights) return [];
  const total = totalBytes(estimate, target);
  const sorted: readonly Machine[] = [...machines].sort((a, b) => a.memory - b.memory);
  return table(
    ['memory', 'bandwidth', 'tokens/s', 'fits', 'device'],
    sorted.map(({ name, memory, bandwidth }) => {
      const fits = total === undefined ? '?' : total <= memory ? 'yes' : 'no';
      const speed = tokensPerSecond(estimate, target, bandwidth);
      return [
        ...[size(memory), `${size(bandwidth)}/s`],
        ...[fits === 'no' || speed === undefined ? '-' : number(speed), fits, name],
      ];
    }),
  );
}

/** Why figures are missing, each reason once. */
function reasonsOf({ unknown, notes, targets }: RunEstimate): string[] {
  const failures = new Map<string, string[]>();
  for (const { label, failure } of targets)
    if (failure !== undefined) failures.set(failure, [...(failures.get(failure) ?? []), label]);
  const lines = [
    ...(unknown === undefined ? [] : [`Keys, values and buffers are not known: ${unknown}`]),
    ...[...failures].map(([failure, labels]) => `Not in ${labels.join(', ')}: ${failure}`),
    ...notes.map((note) => `Note: ${note}`),
  ];
  return lines.length === 0 ? [] : ['', ...lines];
}
