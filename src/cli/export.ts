import { resolve } from 'node:path';
import { writeAtomically } from '../files/atomicFile';
import { parseSplitSize } from '../exporter/gguf/splits';
import { parseTensorTypes, printTensorTypes } from '../exporter/plan/tensorTypes';
import { maxRulesFile } from '../model/limits';
import { readTextFile } from '../model/textFile';
import {
  codeChoices,
  objectives,
  type ExportCalibration,
  type ExportPreview,
  type ExportSettings,
  type Objective,
  type SplitSettings,
  type TensorTypeRule,
} from '../protocol/export';
import { loraOption } from './adapters';
import {
  listOption,
  choiceOption,
  countOption,
  textOption,
  textOptions,
  UsageError,
  type Command,
  type CommandContext,
  flagOption,
  valueOption,
} from './command';
import { defined } from '../protocol/defined';
import { duration, plural, size } from '../protocol/words';
import { checkOutputs } from './outputs';
import { runOptions, windowOptions } from './runOptions';
import { deviceOption } from './device';
import { objectiveOption } from './measuringOptions';
import { table } from './text';

export const exportCommand: Command = {
  name: 'export',
  operand: 'MODEL',
  summary: 'Export a model as GGUF, with a file type or a plan',
  // A plan may be one for optimised codes.
  keepsResults: ({ codes, plan }) => codes === 'optimised' || plan !== undefined,
  options: {
    type: valueOption('T', 'file type of llama.cpp (Q4_K_M, IQ3_XS, F16…), or COPY'),
    plan: valueOption('P', '.ampq.json plan'),
    out: valueOption('F', '.gguf file to write (optional with --dry-run)'),
    'dry-run': flagOption('write nothing; show the type of each tensor, and why'),
    lora: loraOption,
    imatrix: valueOption('F', 'importance matrix of llama.cpp (.gguf or .dat)'),
    'include-weights': listOption('TEXT', 'use importance only for tensors whose names contain TEXT'),
    'exclude-weights': listOption('TEXT', 'ignore importance for tensors whose names contain TEXT'),
    pure: flagOption('no mixture: one type for every weight without a rule'),
    'leave-output-tensor': flagOption('do not quantize output.weight'),
    'output-tensor-type': valueOption('T', 'type of output.weight'),
    'token-embedding-type': valueOption('T', 'type of token_embd.weight'),
    'tensor-type': listOption('PATTERN=T', 'type of the tensors whose names match PATTERN'),
    'tensor-type-file': valueOption('F', 'read such rules from a file, separated by white space'),
    'save-tensor-types': valueOption('F', 'write the type of each tensor as such rules, for llama-quantize'),
    'allow-requantize': flagOption('quantize weights that are already quantized'),
    'prune-layers': valueOption('N,N…', 'leave out these blocks'),
    'override-kv': listOption('K=T:V', 'set a metadata key: KEY=int|float|bool|str:VALUE'),
    'keep-split': flagOption('write one part for each file of the source'),
    'split-max-size': valueOption('N', 'split into parts of at most this much data: 300M, 2G'),
    'split-max-tensors': valueOption('N', 'split into parts of at most N tensors'),
    codes: valueOption(
      'C',
      'how codes are found: reference (as llama.cpp) or optimised (default: as in the plan, or reference)',
    ),
    objective: objectiveOption,
    calibration: valueOption(
      'F',
      'UTF-8 text to run the model over, for optimised codes (default: that of the plan, or of the last pass)',
    ),
    tokens: valueOption('N', 'tokens of the calibration text that are used (default: 65,536)'),
    context: windowOptions['context']!,
    device: runOptions['device']!,
    threads: valueOption('N', 'number of threads (default: all cores)'),
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const settings = await settingsOf(context);
    const out = textOption(context, 'out');
    const target = out === undefined ? {} : { out: resolve(out) };
    const rules = await rulesFiles(context, settings);
    if (context.options['dry-run'] === true) {
      const preview = await jobs['export/preview'](
        { ...model, ...target, ...settings },
        { signal, progress },
      );
      await rules?.save(preview);
      return {
        json: preview,
        lines: [...describe(preview), '', `Dry run, nothing was written (${totals(preview, true)}).`],
      };
    }
    if (out === undefined) throw new UsageError('--out is missing.');
    const threads = countOption(context, 'threads');
    const found = { cacheDir: context.evaluationDir, device: deviceOption(context) };
    const result = await jobs['export/gguf'](
      {
        ...{ ...model, out: resolve(out), ...settings },
        ...(settings.codes === 'optimised' || settings.planFile !== undefined ? found : {}),
        ...(threads === undefined ? {} : { threads }),
      },
      { signal, progress },
    );
    await rules?.save(result);
    const summary = `${totals(result)}, ${result.seconds.toFixed(2)} s`;
    return { json: result, lines: [...describe(result), '', `Written: ${result.out} (${summary})`] };
  },
};

async function settingsOf(context: CommandContext): Promise<ExportSettings> {
  const [type, plan] = [textOption(context, 'type'), textOption(context, 'plan')];
  if ((type === undefined) === (plan === undefined)) throw new UsageError('Give either --type or --plan.');
  const path = (name: string): string | undefined => {
    const value = textOption(context, name);
    return value === undefined ? undefined : resolve(value);
  };
  const is = (name: string): true | undefined => (context.options[name] === true ? true : undefined);
  const list = (name: string): readonly string[] | undefined => {
    const values = textOptions(context, name);
    return values.length === 0 ? undefined : values;
  };
  return defined<ExportSettings>({
    type,
    planFile: path('plan'),
    imatrix: path('imatrix'),
    includeWeights: list('include-weights'),
    excludeWeights: list('exclude-weights'),
    pure: is('pure'),
    leaveOutput: is('leave-output-tensor'),
    outputType: textOption(context, 'output-tensor-type'),
    tokenEmbeddingType: textOption(context, 'token-embedding-type'),
    tensorTypes: await rulesOf(context),
    allowRequantize: is('allow-requantize'),
    pruneLayers: blocksOf(context),
    overrideKeyValues: list('override-kv'),
    split: splitOf(context),
    codes: choiceOption(context, 'codes', codeChoices),
    objective: objectiveOf(context),
    calibration: calibrationOf(context),
  });
}

/** @throws UsageError for an objective where codes cannot be optimised. */
function objectiveOf(context: CommandContext): Objective | undefined {
  const objective = choiceOption(context, 'objective', objectives);
  if (
    objective !== undefined &&
    textOption(context, 'codes') !== 'optimised' &&
    textOption(context, 'plan') === undefined
  )
    throw new UsageError('--objective is for --codes optimised.');
  return objective;
}

/** The text for optimised codes. @throws UsageError for its options without these. */
function calibrationOf(context: CommandContext): ExportCalibration | undefined {
  const text = textOption(context, 'calibration');
  const [tokens, window] = [countOption(context, 'tokens'), countOption(context, 'context')];
  if (text === undefined && tokens === undefined && window === undefined) return undefined;
  if (textOption(context, 'codes') !== 'optimised')
    throw new UsageError('--calibration, --tokens and --context are for --codes optimised.');
  if (text === undefined) throw new UsageError('--tokens and --context need --calibration.');
  return {
    text: resolve(text),
    ...(tokens === undefined ? {} : { tokens }),
    ...(window === undefined ? {} : { context: window }),
  };
}

/** Rules of the command line precede those of a file. */
async function rulesOf(context: CommandContext): Promise<readonly TensorTypeRule[] | undefined> {
  const given = textOptions(context, 'tensor-type').flatMap((rule) => parseTensorTypes(rule));
  const file = textOption(context, 'tensor-type-file');
  const rules =
    file === undefined
      ? given
      : [...given, ...parseTensorTypes(await readTextFile(file, maxRulesFile), file)];
  return rules.length === 0 ? undefined : rules;
}

/**
 * The files of rules: that of --tensor-type-file is not replaced, and that of --save-tensor-types may be written.
 * @returns what writes the latter, if there is one.
 */
async function rulesFiles(context: CommandContext, { planFile, imatrix, calibration }: ExportSettings) {
  const [out, read, file] = ['out', 'tensor-type-file', 'save-tensor-types'].map((name) =>
    textOption(context, name),
  );
  if (read === undefined && file === undefined) return undefined;
  const inputs = await checkOutputs(context, [out, file], [planFile, imatrix, calibration?.text, read]);
  if (file === undefined) return undefined;
  return {
    save: (preview: ExportPreview): Promise<void> =>
      writeAtomically(file, (target) => target.write(Buffer.from(rulesText(preview))), inputs),
  };
}

/** One rule for each tensor that has a choice, which gives llama-quantize the same types. */
function rulesText({ tensors }: ExportPreview): string {
  const chosen = tensors.filter(({ cause }) => cause !== 'kept' && cause !== 'computed');
  return printTensorTypes(
    chosen.map(({ name, to }) => ({ pattern: `^${name.replaceAll('.', '\\.')}$`, type: to })),
  );
}

function blocksOf(context: CommandContext): readonly number[] | undefined {
  const listed = textOption(context, 'prune-layers');
  if (listed === undefined) return undefined;
  if (!/^\d+(,\d+)*$/.test(listed))
    throw new UsageError(`--prune-layers takes a list of numbers such as 3,7,11, not "${listed}".`);
  return listed.split(',').map(Number);
}

function splitOf(context: CommandContext): SplitSettings | undefined {
  const bytes = textOption(context, 'split-max-size');
  const tensors = countOption(context, 'split-max-tensors');
  const rules: SplitSettings[] = [
    ...(context.options['keep-split'] === true ? [{ kind: 'keep' } as const] : []),
    ...(bytes === undefined ? [] : [{ kind: 'bytes', value: parseSplitSize(bytes) } as const]),
    ...(tensors === undefined ? [] : [{ kind: 'tensors', value: tensors } as const]),
  ];
  if (rules.length > 1)
    throw new UsageError('--keep-split, --split-max-size and --split-max-tensors are mutually exclusive.');
  return rules[0];
}

function describe({ tensors, files, warnings, preset }: ExportPreview): string[] {
  const rows = tensors.map((tensor) => [
    tensor.name,
    tensor.from,
    tensor.presetType === undefined ? tensor.to : `${tensor.to} (not ${tensor.presetType})`,
    size(tensor.bytes),
    tensor.reason,
  ]);
  const parts = files.map((file) => [file.name, size(file.bytes), file.tensors]);
  return [
    ...table(['tensor', 'from', 'to', 'size', 'why'], rows),
    ...(tensors.some(({ presetType }) => presetType !== undefined)
      ? ['', `In brackets: the type that ${preset} alone gives the tensor.`]
      : []),
    ...(files.length > 1 ? ['', ...table(['file', 'size', 'tensors'], parts)] : []),
    ...warnings.flatMap((warning) => ['', `Note: ${warning}`]),
  ];
}

function totals({ fileBytes, bitsPerWeight, optimised }: ExportPreview, isPreview = false): string {
  const bits = bitsPerWeight === undefined ? 'no weights' : `${bitsPerWeight.toFixed(3)} bits per weight`;
  const codes = optimised
    ? `, optimised codes in ${plural(optimised.tensors, 'tensor')} (${optimised.objective})`
    : '';
  const time = optimised && isPreview ? ` (about ${duration(optimised.seconds)})` : '';
  return `${size(fileBytes)}, ${bits}${codes}${time}`;
}
