import { resolve } from 'node:path';
import { gainsEnding } from '../ampq/gainsFile';
import { codeChoices, objectives } from '../protocol/export';
import { leastSampledBlocks } from '../protocol/gains';
import { backends } from '../protocol/plan';
import type { SensitivityParams } from '../protocol/sensitivityRun';
import { loraOption } from './adapters';
import {
  choiceOption,
  countOption,
  textOption,
  UsageError,
  valueOption,
  type CommandContext,
  type OptionSpec,
} from './command';
import { deviceOption, devices } from './device';

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
