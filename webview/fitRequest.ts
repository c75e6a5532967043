import { budgetFrom } from '../src/protocol/budget';
import type { CacheType, FitRequest, FittingBits } from '../src/protocol/fit';
import { size } from '../src/protocol/words';

/** Undefined while the memory is not a size, or the context not a number of tokens. */
export function requestFrom(memory: string, context: string, cacheType: CacheType): FitRequest | undefined {
  const budget = budgetFrom(memory);
  const tokens = context.trim() === '' ? undefined : Number(context.replaceAll(',', ''));
  const isWrong = tokens !== undefined && (!Number.isSafeInteger(tokens) || tokens < 1);
  if (budget?.kind !== 'bytes' || isWrong) return undefined;
  return {
    ...{ memory: budget.value, sequences: 1, cacheType },
    ...(tokens === undefined ? {} : { context: tokens }),
  };
}

/** "1.07 GB of keys and values for 8,192 tokens, 272.11 MB of buffers, 5.20 GB of weights". */
export const foundText = ({ context, use: { cache, compute, weights } }: FittingBits): string =>
  `${size(cache)} of keys and values for ${context.toLocaleString('en-US')} tokens, ${size(compute)} of buffers, ${size(weights)} of weights`;
