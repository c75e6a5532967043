import { sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import { throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { loadNative, type ErrorSums } from '../native';
import type { ComparedSide, ComparedTensor, CompareStatus, ModelComparison } from '../protocol/compare';
import { matchTensors, sameShape, type TensorPair } from './matchTensors';
import { addSums, errorMetrics, noSums } from './metrics';
import { TensorReader } from './tensorReader';
import { together } from './together';

export interface CompareModelsOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each tensor: how many are done, out of how many. */
  readonly onProgress?: ((tensor: string, done: number, total: number) => void) | undefined;
}

/**
 * Compares two models of any formats, tensor by tensor. Memory is bounded by slabs; a tensor that cannot be compared is
 * listed as such and the rest continues.
 * @throws QuantscopeError as `matchTensors`, IO, CANCELLED.
 */
export async function compareModels(
  a: Model,
  b: Model,
  { signal, onProgress }: CompareModelsOptions = {},
): Promise<ModelComparison> {
  const { pairs, translated, notes } = await matchTensors(a, b, signal);
  const tensors: ComparedTensor[] = [];
  let total = noSums;
  for (const [index, pair] of pairs.entries()) {
    throwIfCancelled(signal);
    onProgress?.(pair.name, index, pairs.length);
    const { compared, sums } = await comparePair(a, b, pair, signal);
    tensors.push(compared);
    if (compared.error) total = addSums(total, sums);
  }
  return {
    a: a.description.path,
    b: b.description.path,
    translated,
    notes,
    tensors: tensors.sort(worstFirst),
    relativeError: errorMetrics(total).relativeError,
    counts: countStatuses(tensors),
  };
}

async function comparePair(
  a: Model,
  b: Model,
  pair: TensorPair,
  signal: AbortSignal | undefined,
): Promise<{ compared: ComparedTensor; sums: ErrorSums }> {
  const sides = {
    ...(pair.a ? { a: sideOf(pair.a) } : {}),
    ...(pair.b ? { b: sideOf(pair.b) } : {}),
  };
  const listed = (status: CompareStatus, reason?: string) => ({
    compared: { name: pair.name, status, ...sides, ...(reason === undefined ? {} : { reason }) },
    sums: noSums,
  });
  if (!pair.a) return listed('only in B');
  if (!pair.b) return listed('only in A');
  if (!sameShape(pair.a.shape, pair.b.shape)) return listed('shape');
  const unreadable = [pair.a, pair.b].flatMap(sourcesOf).find(({ readable }) => !readable);
  if (unreadable) return listed('unreadable', unreadable.unreadableReason);
  const read = (model: Model, tensor: ConvertedTensor) =>
    new TensorReader(model, tensor, { holds: false }).values(signal);
  let sums = noSums;
  for await (const [left, right] of together(read(a, pair.a), read(b, pair.b)))
    sums = addSums(sums, await loadNative().errorSums(left, right));
  if (!Number.isFinite(sums.error)) return listed('not finite');
  const status: CompareStatus = sums.error === 0 ? 'equal' : 'different';
  return { compared: { ...listed(status).compared, error: errorMetrics(sums) }, sums };
}

function sideOf(tensor: ConvertedTensor): ComparedSide {
  const [source] = sourcesOf(tensor);
  return { name: source?.name ?? tensor.name, dtype: source?.dtype ?? '?', shape: tensor.shape };
}

/** Problems come first, then what differs most. */
const ranks: Readonly<Record<CompareStatus, number>> = {
  ...{ shape: 0, 'not finite': 1, unreadable: 2, 'only in A': 3, 'only in B': 4 },
  ...{ different: 5, equal: 6 },
};

function worstFirst(a: ComparedTensor, b: ComparedTensor): number {
  return ranks[a.status] - ranks[b.status] || (b.error?.relativeError ?? 0) - (a.error?.relativeError ?? 0);
}

function countStatuses(tensors: readonly ComparedTensor[]): Record<CompareStatus, number> {
  const counts = Object.fromEntries(Object.keys(ranks).map((status) => [status, 0]));
  for (const { status } of tensors) counts[status] = (counts[status] ?? 0) + 1;
  return counts as Record<CompareStatus, number>;
}
