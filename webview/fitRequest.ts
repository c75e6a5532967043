import * as l10n from '@vscode/l10n';
import { budgetFrom } from '../src/protocol/budget';
import {
  launchOptions,
  type CacheType,
  type FitRequest,
  type FittingBits,
  type MemoryUse,
} from '../src/protocol/fit';
import { size } from '../src/protocol/words';

/** What is typed of the memories that a plan is to fit in. */
export interface TypedFit {
  /** Of the machine; of its RAM where one of a GPU is typed, too. */
  readonly memory: string;
  /** Empty for a machine with one memory. */
  readonly gpuMemory: string;
  /** Whether experts stay in RAM. */
  readonly cpuMoe: boolean;
  /** Tokens of context; empty for the usual ones. */
  readonly context: string;
  readonly cacheType: CacheType;
}

/** Undefined while a memory is not a size, or the context not a number of tokens. */
export function requestFrom({
  memory,
  gpuMemory,
  cpuMoe,
  context,
  cacheType,
}: TypedFit): FitRequest | undefined {
  const [bytes, gpuBytes] = [bytesFrom(memory), bytesFrom(gpuMemory)];
  const tokens = context.trim() === '' ? undefined : Number(context.replaceAll(',', ''));
  const isWrong = tokens !== undefined && (!Number.isSafeInteger(tokens) || tokens < 1);
  const hasGpu = gpuMemory.trim() !== '';
  if (bytes === undefined || isWrong || (hasGpu && gpuBytes === undefined)) return undefined;
  return {
    ...{ memory: bytes, sequences: 1, cacheType },
    ...(tokens === undefined ? {} : { context: tokens }),
    ...(gpuBytes === undefined ? {} : { gpu: { memory: gpuBytes, cpuMoe } }),
  };
}

function bytesFrom(text: string): number | undefined {
  const budget = budgetFrom(text);
  return budget?.kind === 'bytes' ? budget.value : undefined;
}

/** What is in each memory, and how llama.cpp is to be run. */
export function foundText({ fit, use: { memory, gpu } }: FittingBits): string {
  const context = l10n.t('{0} tokens', fit.context.toLocaleString('en-US'));
  const places = gpu
    ? l10n.t('In the GPU {0}; in RAM {1}; for {2}.', useText(gpu), useText(memory), context)
    : l10n.t('{0}; for {1}.', useText(memory), context);
  return l10n.t('{0} Options of llama.cpp: {1}', places, launchOptions(fit));
}

const useText = ({ weights, cache, compute }: MemoryUse): string =>
  l10n.t('{0} of weights, {1} of keys and values, {2} of buffers', size(weights), size(cache), size(compute));
