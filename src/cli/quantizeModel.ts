import { resolve } from 'node:path';
import { parseSplitSize } from '../exporter/gguf/splits';
import type {
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizePreview,
  QuantizedWeight,
} from '../protocol/quantizeModel';
import { evidenceWords } from '../protocol/evidence';
import { duration, plural, size } from '../protocol/words';
import { loraOption } from './adapters';
import {
  countOption,
  requiredOption,
  textOption,
  UsageError,
  type Command,
  type CommandContext,
  flagOption,
  valueOption,
} from './command';
import { recipeOf, recipeOptions } from './recipeOptions';
import { runOptions } from './runOptions';
import { deviceOption } from './device';
import { figure, table } from './text';

export const quantizeModelCommand: Command = {
  name: 'quantize-model',
  operand: 'MODEL',
  summary: 'Quantize a whole model to what transformers, vLLM and others load',
  keepsResults: true,
  options: {
    recipe: {
      ...valueOption('R', 'id of a recipe (see quantscope recipes), or a recipe file'),
      required: true,
    },
    out: valueOption('DIR', 'folder to make, or .gguf file (optional with --dry-run)'),
    overwrite: flagOption('replace a folder that an earlier run wrote'),
    'dry-run': flagOption('write nothing; show how each tensor is stored, and why'),
    ...recipeOptions,
    lora: loraOption,
    'max-shard-size': valueOption('N', 'largest file of weights: 300M, 2G (default: 5G)'),
    device: runOptions['device']!,
    threads: runOptions['threads']!,
  },
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
    const settings = settingsOf(context);
    const out = textOption(context, 'out');
    const overwrite = context.options['overwrite'] === true ? { overwrite: true } : {};
    if (context.options['dry-run'] === true) {
      const target = out === undefined ? {} : { out: resolve(out) };
      const preview = await jobs['model/quantizePreview'](
        { ...model, ...settings, ...target, ...overwrite, cacheDir },
        { signal, progress },
      );
      return {
        json: preview,
        lines: [...describe(preview), ...evidenceLines(preview), '', estimate(preview)],
      };
    }
    if (out === undefined) throw new UsageError('--out is missing.');
    const threads = countOption(context, 'threads');
    const result = await jobs['model/quantize'](
      {
        ...{
          ...model,
          ...settings,
          ...overwrite,
          out: resolve(out),
          device: deviceOption(context),
          cacheDir,
        },
        ...(threads === undefined ? {} : { threads }),
      },
      { signal, progress },
    );
    return {
      json: result,
      lines: [...describe(result, result.weights), ...evidenceLines(result), '', written(result)],
    };
  },
};

function settingsOf(context: CommandContext): QuantizeModelSettings {
  const shard = textOption(context, 'max-shard-size');
  return {
    ...recipeOf(context, requiredOption(context, 'recipe')),
    ...(shard === undefined ? {} : { maxShardBytes: parseSplitSize(shard) }),
  };
}

function describe(
  { tensors, files, warnings, notes }: QuantizePreview,
  weights: readonly QuantizedWeight[] = [],
): string[] {
  const byName = new Map(weights.map((weight) => [weight.name, weight]));
  const measured = weights.length > 0;
  const rows = tensors.map(({ name, from, to, bytes, method = '', reason }) => {
    const done = byName.get(name);
    const figures = done ? [evidenceWords[done.evidence], figure(done.relativeError)] : ['', ''];
    return [...[name, from, to, method, size(bytes)], ...(measured ? figures : []), reason];
  });
  const parts = files.map((file) => [file.name, size(file.bytes), file.tensors]);
  return [
    ...table(
      [
        ...['tensor', 'from', 'to', 'method', 'size'],
        ...(measured ? ['evidence', 'relative squared error'] : []),
        'why',
      ],
      rows,
    ),
    ...(files.length > 1 ? ['', ...table(['file', 'size', 'tensors'], parts)] : []),
    ...warnings.flatMap((warning) => ['', `Warning: ${warning}`]),
    ...notes.flatMap((note) => ['', `Note: ${note}`]),
  ];
}

function totals({ fileBytes, bitsPerWeight, tensors }: QuantizePreview): string {
  const bits = bitsPerWeight === undefined ? 'no weights' : `${bitsPerWeight.toFixed(3)} bits per weight`;
  const matrices = plural(tensors.filter(({ quantized }) => quantized).length, 'matrix', 'matrices');
  return `${matrices} quantized, ${size(fileBytes)}, ${bits}`;
}

/** The text behind what methods know of the inputs, above all one that was not named in this call. */
function evidenceLines({ evidence, recipe }: QuantizePreview): string[] {
  if (evidence.text === undefined) return [];
  const isEarlier = recipe.calibration?.text === undefined;
  const earlier = isEarlier ? ', measured by an earlier run; --calibration names another text' : '';
  return ['', `Evidence: ${evidenceWords[evidence.kind]} of the inputs over ${evidence.text}${earlier}.`];
}

function estimate(preview: QuantizePreview): string {
  const { seconds, memoryBytes, diskBytes } = preview.estimate;
  const missing = preview.evidence.missing === undefined ? '' : ` ${preview.evidence.missing}`;
  return `Dry run, nothing was written (${totals(preview)}). A run takes about ${duration(seconds)}, ${size(memoryBytes)} of memory and ${size(diskBytes)} of disk.${missing}`;
}

function written(result: QuantizeModelResult): string {
  const error =
    result.relativeError === undefined ? '' : `, relative squared error ${figure(result.relativeError)}`;
  return `Written: ${result.out} (${totals(result)}${error}, ${result.seconds.toFixed(2)} s, peak memory ${size(result.peakMemory)})`;
}
