import { resolve } from 'node:path';
import type { Divergence, EvaluationResult, EvaluationSettings, TaskResult } from '../protocol/evaluation';
import { estimateText, percentText, preciseText } from '../protocol/figures';
import { notKeptNote } from '../protocol/tableNotes';
import { plural, size } from '../protocol/words';
import { loraOption } from './adapters';
import {
  choiceOption,
  countOption,
  textOption,
  UsageError,
  type Command,
  type CommandContext,
} from './command';
import { checkPairsOptions, pairsRows, pairsText } from './evalPairs';
import { recipeChanges, recipeOf } from './recipeOptions';
import { memoryOf, runOptions, windowOptions, windowsOf } from './runOptions';
import { deviceOption } from './device';
import { count, number, table } from './text';

export const evalCommand: Command = {
  name: 'eval',
  operand: 'MODEL',
  summary:
    'Measure perplexity and accuracy of a model or a quantized variant, and its divergence from a base',
  options: {
    text: { type: 'string', value: 'F', help: 'score the tokens of this UTF-8 text' },
    tasks: {
      type: 'string',
      value: 'F',
      help: 'multiple-choice questions as JSON lines: {"question", "choices", "answer"}',
    },
    pairs: {
      type: 'string',
      value: 'F',
      help: 'of a model that embeds texts: pairs as JSON lines, {"query", "document"}',
    },
    plan: { type: 'string', value: 'P', help: 'quantize the weights according to this .ampq.json plan' },
    type: {
      type: 'string',
      value: 'T',
      help: 'quantize the weights according to this llama.cpp file type (Q4_K_M…)',
    },
    format: { type: 'string', value: 'F', help: 'quantize every matrix of the blocks to this format' },
    recipe: {
      type: 'string',
      value: 'R',
      help: 'quantize as this recipe does (see quantscope recipes), or a recipe file',
    },
    ...recipeChanges,
    imatrix: { type: 'string', value: 'F', help: 'importance matrix for --plan, --type and --format' },
    against: {
      type: 'string',
      value: 'MODEL',
      help: 'base model of the divergence (default for a variant: the model itself)',
    },
    lora: loraOption,
    ...windowOptions,
    convention: { type: 'string', value: 'C', help: 'llama.cpp (default) or sliding' },
    stride: { type: 'string', value: 'N', help: 'tokens between the starts of two sliding windows' },
    'round-activations': { type: 'boolean', help: 'round activations to 8 bits, as llama.cpp does on CPUs' },
    ...runOptions,
  },
  keepsResults: true,
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir } = context;
    const threads = countOption(context, 'threads');
    const settings = settingsOf(context);
    const result = await jobs['evaluation/run'](
      { ...model, cacheDir: evaluationDir, ...settings, ...(threads === undefined ? {} : { threads }) },
      { signal, progress },
    );
    if (result.notKept !== undefined) context.note(`Note: ${notKeptNote(result.notKept)}`);
    return { json: result, lines: describe(result) };
  },
};

function settingsOf(context: CommandContext): EvaluationSettings {
  const file = (name: string): string | undefined => {
    const value = textOption(context, name);
    return value === undefined ? undefined : resolve(value);
  };
  const recipe = textOption(context, 'recipe');
  const weights = {
    planFile: file('plan'),
    type: textOption(context, 'type'),
    format: textOption(context, 'format'),
    recipe: recipe === undefined ? undefined : recipeOf(context, recipe),
  };
  const variants = Object.values(weights).filter((value) => value !== undefined).length;
  if (variants > 1) throw new UsageError('--plan, --type, --format and --recipe are mutually exclusive.');
  const imatrix = file('imatrix');
  if (imatrix !== undefined && (variants === 0 || recipe !== undefined))
    throw new UsageError('--imatrix needs --plan, --type or --format.');
  const roundActivations = context.options['round-activations'] === true ? true : undefined;
  if (roundActivations && recipe !== undefined)
    throw new UsageError(
      '--round-activations does not go with --recipe, which says how activations are rounded.',
    );
  const read = { text: file('text'), tasks: file('tasks'), pairs: file('pairs') };
  if (read.pairs !== undefined) checkPairsOptions(context);
  else if (read.text === undefined && read.tasks === undefined)
    throw new UsageError('Give --text, --tasks or both; --pairs for a model that embeds texts.');
  const settings = {
    ...{ ...weights, ...read, imatrix },
    against: file('against'),
    ...(read.pairs === undefined ? { ...cutOf(context), memory: memoryOf(context) } : {}),
    roundActivations,
    device: deviceOption(context),
  };
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  ) as unknown as EvaluationSettings;
}

/** How the text is cut into windows. */
function cutOf(
  context: CommandContext,
): Pick<EvaluationSettings, 'convention' | 'context' | 'stride' | 'windows'> {
  const convention = choiceOption(context, 'convention', ['llama.cpp', 'sliding']) ?? 'llama.cpp';
  const stride = countOption(context, 'stride');
  if (stride !== undefined && convention !== 'sliding')
    throw new UsageError('--stride needs --convention sliding.');
  const windows = windowsOf(context);
  if (stride !== undefined && windows.context !== undefined && stride > windows.context)
    throw new UsageError('--stride is larger than --context: tokens between windows would not be scored.');
  return { convention, ...windows, ...(stride === undefined ? {} : { stride }) };
}

function describe(result: EvaluationResult): string[] {
  const { model, variant, roundActivations, objective, text, tasks, pairs } = result;
  const rows: [string, string][] = [
    ['size', size(result.bytes)],
    ['bits per weight', result.bitsPerWeight.toFixed(3)],
    ...(text
      ? ([
          ['perplexity', preciseText(text.perplexity)],
          ['loss, nats per token', preciseText(text.loss)],
        ] as const)
      : []),
    ...(text?.divergence ? divergenceRows(text.divergence) : []),
    ...(tasks ? taskRows(tasks) : []),
    ...(pairs ? pairsRows(pairs) : []),
    ...measureRows(result),
  ].map(([name, value]) => [name, value]);
  const codes = objective === undefined ? '' : `, ${objective} codes`;
  const rounded = roundActivations ? ', activations rounded to 8 bits' : '';
  return [
    `${model.name}: ${variant}${codes}${rounded}`,
    ...(text ? [cutText(text)] : []),
    ...(pairs ? [pairsText(pairs)] : []),
    ...(text?.divergence ? [`base: ${text.divergence.base}`] : []),
    ...table(['figure', 'value'], rows),
  ];
}

function cutText({
  path,
  convention,
  context,
  stride,
  windows,
  scoredTokens,
}: NonNullable<EvaluationResult['text']>) {
  const cut =
    convention === 'sliding' ? `sliding windows of ${context}, stride ${stride}` : `windows of ${context}`;
  return `${path}: ${count(windows)} ${cut}, ${plural(scoredTokens, 'token')} scored`;
}

function divergenceRows(divergence: Divergence): [string, string][] {
  return [
    ['ln(PPL / PPL of the base)', estimateText(divergence.logPerplexityRatio)],
    ['mean KLD, nats', estimateText(divergence.mean)],
    ['median KLD', number(divergence.median)],
    ['99 % KLD', number(divergence.percentile99)],
    ['99.9 % KLD', number(divergence.percentile999)],
    ['largest KLD', number(divergence.max)],
    ['same top token', percentText(divergence.sameTopToken)],
    ['mean Δp', percentText(divergence.deltaP)],
    ['Δp rms', `${number(100 * divergence.deltaPRms)} %`],
  ];
}

function taskRows({ questions, accuracy, normalizedAccuracy }: TaskResult): [string, string][] {
  return [
    [`accuracy, ${plural(questions, 'question')}`, percentText(accuracy)],
    ['accuracy by likelihood per byte', percentText(normalizedAccuracy)],
  ];
}

function measureRows({ measures, deviceLabel }: EvaluationResult): [string, string][] {
  const { tokensPerSecond, firstTokenMs, nextTokenMs, peakMemory, memory, seconds } = measures;
  return [
    ['tokens per second', number(Number(tokensPerSecond.toPrecision(4)))],
    ...(firstTokenMs === undefined
      ? []
      : ([['first token, ms', firstTokenMs.toFixed(2)]] as [string, string][])),
    ...(nextTokenMs === undefined
      ? []
      : ([['next token, ms', nextTokenMs.toFixed(3)]] as [string, string][])),
    ['peak memory', `${size(peakMemory)} (${memory})`],
    ['time', `${seconds.toFixed(1)} s on ${deviceLabel}`],
  ];
}
