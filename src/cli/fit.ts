import { budgetFrom } from '../protocol/budget';
import {
  cacheTypes,
  launchOptions,
  type FitRequest,
  type FitUse,
  type MemoryUse,
  type PlanFit,
} from '../protocol/fit';
import { size } from '../protocol/words';
import {
  choiceOption,
  countOption,
  flagOption,
  textOption,
  UsageError,
  valueOption,
  type CommandContext,
  type OptionSpec,
} from './command';
import { table } from './text';

/** Options of plans for the memory of a machine. */
export const fitOptions: Readonly<Record<string, OptionSpec>> = {
  fit: valueOption(
    'B',
    'the best plan whose model fits into so much memory when llama.cpp runs it, with its context: 8GB, 7.5GiB; RAM where --gpu-memory is given',
  ),
  'gpu-memory': valueOption('B', 'with --fit: memory of a GPU that part of the layers go to'),
  'gpu-layers': valueOption(
    'N',
    'with --gpu-memory: layers on the GPU, as -ngl of llama.cpp (default: the number that permits the best plan)',
  ),
  'cpu-moe': flagOption('with --gpu-memory: experts stay in RAM, as --cpu-moe of llama.cpp'),
  'ctx-size': valueOption(
    'N',
    'with --fit: tokens of context of each sequence (default: the context length of the model, at most 8,192)',
  ),
  parallel: valueOption('N', 'with --fit: sequences at a time (default: 1)'),
  'kv-type': valueOption('T', `with --fit: type of keys and values: ${cacheTypes.join(', ')} (default: f16)`),
};

/** The memory that is asked for; undefined without --fit. @throws UsageError for options that need another one. */
export function fitOption(context: CommandContext): FitRequest | undefined {
  const memory = bytesOption(context, 'fit');
  const gpuMemory = bytesOption(context, 'gpu-memory');
  const layers = layersOption(context);
  const cpuMoe = context.options['cpu-moe'] === true;
  const [tokens, parallel] = [countOption(context, 'ctx-size'), countOption(context, 'parallel')];
  const cacheType = choiceOption(context, 'kv-type', cacheTypes);
  if (memory === undefined) {
    if ([gpuMemory, layers, tokens, parallel, cacheType].some((value) => value !== undefined) || cpuMoe)
      throw new UsageError(
        '--gpu-memory, --gpu-layers, --cpu-moe, --ctx-size, --parallel and --kv-type are for --fit.',
      );
    return undefined;
  }
  if (gpuMemory === undefined && (layers !== undefined || cpuMoe))
    throw new UsageError('--gpu-layers and --cpu-moe are for --gpu-memory.');
  return {
    ...{ memory, sequences: parallel ?? 1, cacheType: cacheType ?? 'f16' },
    ...(tokens === undefined ? {} : { context: tokens }),
    ...(gpuMemory === undefined
      ? {}
      : { gpu: { memory: gpuMemory, cpuMoe, ...(layers === undefined ? {} : { layers }) } }),
  };
}

/** A whole number; undefined when it was not given. */
function layersOption(context: CommandContext): number | undefined {
  return textOption(context, 'gpu-layers') === '0' ? 0 : countOption(context, 'gpu-layers');
}

function bytesOption(context: CommandContext, name: string): number | undefined {
  const text = textOption(context, name);
  if (text === undefined) return undefined;
  const budget = budgetFrom(text);
  if (budget?.kind === 'bytes') return budget.value;
  throw new UsageError(`--${name} takes a size, such as 8GB, 7.5GiB or 8000000000B, not "${text}".`);
}

/** What memories hold, and how llama.cpp is started. */
export function fitLines(fit: PlanFit, { memory, gpu }: FitUse): string[] {
  const row = (name: string, { weights, cache, compute }: MemoryUse, limit: number): string[] => [
    name,
    ...[weights, cache, compute, weights + cache + compute, limit].map(size),
  ];
  return [
    ...table(
      ['memory', 'weights', 'keys and values', 'buffers', 'together', 'of'],
      [
        ...(gpu && fit.gpu ? [row('GPU', gpu, fit.gpu.memory)] : []),
        row(gpu ? 'RAM' : 'all', memory, fit.memory),
      ],
    ),
    `Options of llama.cpp: ${launchOptions(fit)}`,
  ];
}
