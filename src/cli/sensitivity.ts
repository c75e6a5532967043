import { basename, resolve } from 'node:path';
import { gainsEnding } from '../ampq/gainsFile';
import type { SensitivityEstimate, SensitivityParams } from '../protocol/sensitivityRun';
import { codeChoices, objectives } from '../protocol/export';
import {
  backends,
  leastSampledBlocks,
  sampleText,
  type DeviceChoice,
  type SensitivityTable,
} from '../protocol/plan';
import { loraOption } from './adapters';
import {
  choiceOption,
  countOption,
  textOption,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
  type OptionSpec,
} from './command';
import { notKeptNote, tableNotes } from '../protocol/tableNotes';
import { rungText, tableRung } from '../protocol/rungs';
import { duration, plural, size } from '../protocol/words';
import { aboveNoise, count, figure, number, table } from './text';

/** What --device takes. */
export const devices: readonly DeviceChoice[] = ['auto', 'cuda', 'webgpu', 'ort-cpu', 'cpu'];

/** What optimised codes minimise. */
export const objectiveOption = valueOption(
  'O',
  'what optimised codes of the file minimise: one-sided (errors of outputs) or two-sided (what these do to predictions; default)',
);

/** Options of everything that measures. */
export const measuringOptions: Readonly<Record<string, OptionSpec>> = {
  formats: { type: 'string', value: 'A,B,…', help: 'candidate formats (default: the GGUF types)' },
  device: {
    type: 'string',
    value: 'D',
    help: `${devices.join(', ')}; cpu is the native addon (default: auto)`,
  },
  text: {
    type: 'string',
    value: 'F',
    help: 'UTF-8 text to run the model over (default: a calibration text next to the model, else a general one)',
  },
  lora: loraOption,
  imatrix: valueOption(
    'F',
    'importance matrix (.gguf or .dat): weights are encoded and errors weighted by it',
  ),
  tokens: valueOption('N', 'tokens of the text that are scored, spread over it (default: 2,048)'),
  context: valueOption(
    'N',
    'tokens per window (default: 512, or the context length of the model if shorter)',
  ),
  'sample-blocks': valueOption(
    'N',
    'measure gains in N blocks, spread over depth, and interpolate the others: where a full pass takes too long (default: all blocks)',
  ),
  codes: valueOption(
    'C',
    'errors of which codes: optimised, measured on the outputs (default where the model is run over a text), or reference (as llama.cpp)',
  ),
  calibration: valueOption(
    'F',
    'UTF-8 text that optimised codes are found over (default: that of the gains)',
  ),
  objective: objectiveOption,
  backend: valueOption(
    'B',
    'what llama.cpp will run the file on: cpu (default), where errors of optimised codes include the rounding of activations, which depends on the format, or gpu',
  ),
  'calibration-tokens': valueOption('N', 'tokens of that text that are used (default: 65,536)'),
  gains: valueOption(
    'G',
    'cached: use the gains of the latest run, whatever its text was; or a .gains.json file, which may be of another model of these shapes',
  ),
  curvature: {
    type: 'boolean',
    help: 'gains from the gradients of one backward pass instead of running the model with each tensor changed: faster for models of many tensors, less exact',
  },
  'weights-only': {
    type: 'boolean',
    help: 'do not run the model: errors of the weights, weighted by the roles of tensors',
  },
};

/** Where to compute; auto by default. @throws UsageError for anything but a device. */
export function deviceOption(context: CommandContext): DeviceChoice {
  return choiceOption(context, 'device', devices) ?? 'auto';
}

/** Parameters of a request for a table, from the options. @throws UsageError for options that contradict each other. */
export function measuringParams(context: CommandContext): SensitivityParams {
  const { model, cacheDir } = context;
  const [text, imatrix] = [textOption(context, 'text'), textOption(context, 'imatrix')];
  const weightsOnly = context.options['weights-only'] === true;
  const gains = textOption(context, 'gains');
  const [tokens, window] = [countOption(context, 'tokens'), countOption(context, 'context')];
  const chosen = [
    ...(text === undefined ? [] : ['--text']),
    ...(weightsOnly ? ['--weights-only'] : []),
    ...(gains === undefined ? [] : ['--gains']),
  ];
  if (chosen.length > 1) throw new UsageError(`Give ${chosen.join(' or ')}, not both.`);
  const sampleBlocks = sampleOption(context);
  if ((tokens ?? window ?? sampleBlocks) !== undefined && (weightsOnly || gains !== undefined))
    throw new UsageError(
      `--tokens, --context and --sample-blocks apply to a run over a text, not to ${chosen[0]}.`,
    );
  const curvature = context.options['curvature'] === true;
  if (curvature && (weightsOnly || gains !== undefined))
    throw new UsageError(`--curvature applies to a run over a text, not to ${chosen[0]}.`);
  if (curvature && sampleBlocks !== undefined)
    throw new UsageError('Give --curvature or --sample-blocks, not both.');
  const optimised = optimisedOption(context);
  if (optimised?.isRequired && (weightsOnly || gains === 'cached'))
    throw new UsageError(`--codes optimised needs a run over a text, not ${chosen[0]}.`);
  if (optimised?.backend && weightsOnly)
    throw new UsageError('--backend is about the errors of optimised codes: leave out --weights-only.');
  const formats = textOption(context, 'formats')
    ?.split(',')
    .map((id) => id.trim());
  return {
    ...{ ...model, device: deviceOption(context), cacheDir },
    ...(formats ? { formats } : {}),
    ...(text === undefined ? {} : { text: resolve(text) }),
    ...(imatrix === undefined ? {} : { imatrix: resolve(imatrix) }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(window === undefined ? {} : { context: window }),
    ...(sampleBlocks === undefined ? {} : { sampleBlocks }),
    ...gainsOf(gains),
    ...(curvature ? { curvature } : {}),
    ...(weightsOnly ? { weightsOnly } : {}),
    ...(optimised ? { optimised } : {}),
  };
}

/** @throws UsageError for fewer blocks than interpolation needs. */
function sampleOption(context: CommandContext): number | undefined {
  const count = countOption(context, 'sample-blocks');
  if (count === undefined || count >= leastSampledBlocks) return count;
  throw new UsageError(`--sample-blocks takes at least ${leastSampledBlocks}, not ${count}.`);
}

/** Why no gains follow from the tables of the GGUF Tool Suite (docs/AMPQ.md). */
const tableReason =
  'Tables of KL divergences by tensor and type are not gains: they do not state the errors of the types, the text, or what they were measured against. Measure gains with quantscope gains export.';

/** Where gains come from that are not measured. @throws UsageError for anything but "cached" and a file. */
function gainsOf(gains: string | undefined): Pick<SensitivityParams, 'keptGains' | 'gainsFile'> {
  if (gains === undefined) return {};
  if (gains === 'cached') return { keptGains: true };
  if (gains.endsWith('.json')) return { gainsFile: resolve(gains) };
  if (gains.endsWith('.csv')) throw new UsageError(tableReason);
  throw new UsageError(`--gains takes cached or a ${gainsEnding} file, not "${gains}".`);
}

/**
 * Optimised codes, unless those of llama.cpp are asked for: where the model is run over a text.
 * @throws UsageError for a calibration without optimised codes.
 */
function optimisedOption(context: CommandContext): SensitivityParams['optimised'] {
  const tokens = countOption(context, 'calibration-tokens');
  const text = textOption(context, 'calibration');
  const choice = choiceOption(context, 'codes', codeChoices);
  const objective = choiceOption(context, 'objective', objectives);
  const backend = choiceOption(context, 'backend', backends);
  const calibration = {
    ...(text === undefined ? {} : { text: resolve(text) }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(objective === undefined ? {} : { objective }),
  };
  const isCalibrated = (text ?? tokens ?? objective) !== undefined;
  if (choice === 'reference') {
    if (isCalibrated || backend !== undefined)
      throw new UsageError(
        '--calibration, --calibration-tokens, --objective and --backend are for --codes optimised.',
      );
    return undefined;
  }
  const isRequired = choice === 'optimised' || isCalibrated;
  return {
    evidenceDir: context.evaluationDir,
    ...(isRequired ? { isRequired } : {}),
    ...(backend === undefined ? {} : { backend }),
    ...calibration,
  };
}

/** Time that is worth less exact gains (s). */
const worthSaving = 600;

/** Prints what a run will do and its estimated time. */
export async function announce(
  context: CommandContext,
  params: SensitivityParams,
): Promise<SensitivityEstimate> {
  const { jobs, signal, note } = context;
  const estimate = await jobs['sensitivity/estimate'](params, { signal, progress: () => undefined });
  const { tensors, formats, text, sample, codes, offered, weightsOnly } = estimate;
  const how = text
    ? `the model ${text.isKept === true ? 'was' : 'is'} run over ${count(text.tokens)} tokens of ${basename(text.file)}`
    : `errors of the weights alone: ${weightsOnly}`;
  note(`${plural(tensors, 'tensor')} in ${formats.join(', ')}; ${how}`);
  if (sample)
    note(
      `Gains are measured in ${sample.measured} of ${sample.blocks} blocks and interpolated in the others.`,
    );
  if (codes)
    note(
      `Codes are optimised over ${count(codes.tokens)} tokens of ${codes.text}; --codes reference measures those of llama.cpp.`,
    );
  if (offered)
    note(
      `Gains over ${count(offered.tokens)} tokens of ${basename(offered.file)} are kept from an earlier run; --gains cached uses them.`,
    );
  note(`This takes about ${costText(estimate)}; what earlier runs measured is reused.`);
  const { seconds, curvatureSeconds = seconds } = estimate;
  if (seconds - curvatureSeconds > worthSaving)
    note(
      `With --curvature it takes about ${duration(curvatureSeconds)}: gains then come from gradients, and are a little less exact.`,
    );
  return estimate;
}

/** "3 minutes and 1.93 GB of memory, in one pass over the model". */
function costText({ seconds, passes, memory }: SensitivityEstimate): string {
  if (memory === undefined) return duration(seconds);
  const cost = `${duration(seconds)} and ${size(memory)} of memory`;
  if (passes === undefined) return cost;
  const how =
    passes === 1 ? 'one pass' : `${count(passes)} passes, as states of all tensors need more memory,`;
  return `${cost}, in ${how} over the model`;
}

/** Measures, or reuses the results of an earlier run; says when results could not be kept. */
export async function measure(
  { jobs, signal, progress, note }: CommandContext,
  params: SensitivityParams,
): Promise<SensitivityTable> {
  const table = await jobs['sensitivity/run'](params, { signal, progress });
  if (table.notKept !== undefined) note(`Note: ${notKeptNote(table.notKept)}`);
  return table;
}

export const sensitivity: Command = {
  name: 'sensitivity',
  operand: 'MODEL',
  summary: 'Measure how each tensor affects the output in every candidate format',
  options: measuringOptions,
  keepsResults: true,
  async run(context) {
    const params = measuringParams(context);
    await announce(context, params);
    const result = await measure(context, params);
    const notes = tableNotes(result);
    const lines = [...tableLines(result), ...notes.map((text) => `Note: ${text}`)];
    return { json: { ...result, notes }, lines };
  },
};

function tableLines(measured: SensitivityTable): string[] {
  const { rows, gainsFrom } = measured;
  const formats = [...new Set(rows.flatMap((row) => row.cells.map((cell) => cell.format)))];
  const lines = rows.map((row) => [
    row.tensor,
    ...(gainsFrom ? [row.gain === undefined ? '' : number(row.gain)] : []),
    ...formats.map((format) => {
      const cell = row.cells.find((item) => item.format === format);
      if (!cell) return '';
      if (!gainsFrom) return figure(Math.sqrt(cell.relativeSquaredError));
      if (row.gain === undefined) return '';
      const text = aboveNoise(row.gain * cell.relativeSquaredError, gainsFrom.noise);
      if (row.measured === undefined) return `~${text}`;
      return row.measured.format === format ? `${text}*` : text;
    }),
  ]);
  const head = ['tensor', ...(gainsFrom ? ['gain'] : []), ...formats];
  return [
    ...headingOf(measured),
    `Evidence: ${rungText(tableRung(measured), measured)}`,
    ...table(head, lines),
  ];
}

function headingOf({ rows, gainsFrom, weightsOnly }: SensitivityTable): string[] {
  if (!gainsFrom)
    return [
      `Relative error ‖x − x'‖ / ‖x‖, of the weights alone${weightsOnly === undefined ? '' : `: ${weightsOnly}`}`,
    ];
  const { text, tokens, context, noise, sample, by } = gainsFrom;
  const origins = [
    ...(sample ? [sampleText(sample)] : []),
    ...(rows.some(({ isEstimated }) => isEstimated) ? ['estimated from the role of the tensor'] : []),
  ];
  const how = by ? 'By the curvature (tensors of blocks) or measured (others)' : 'Measured';
  return [
    'KL divergence of the output from the original, nats per token, with the tensor alone in the format.',
    `${how}: the figures with *, over ${count(tokens)} tokens of ${basename(text)} in windows of ${count(context)}.`,
    'The others follow from them: gain × squared relative error in the format.',
    ...(origins.length === 0 ? [] : [`Those with ~ have a gain ${origins.join(' or ')}.`]),
    `Rounding in float32 alone causes ${number(noise)}; smaller figures are shown as "< noise".`,
  ];
}
