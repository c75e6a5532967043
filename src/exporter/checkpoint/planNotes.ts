import { joinedWeights } from '../../layouts/writing';
import type { TensorDescriptor } from '../../protocol/model';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { requantizedNote } from '../requantized';

/** What is said of a planned tensor. */
interface NotedTensor {
  readonly tensor: TensorDescriptor;
  /** Present where it is quantized. */
  readonly matrix?: unknown;
  readonly reason: string;
}

/** How many matrices are kept, for each reason. */
export function keptNotes(tensors: readonly NotedTensor[]): string[] {
  const kept = tensors.filter(({ tensor, matrix }) => !matrix && tensor.shape.length > 1);
  const byReason = new Map<string, string[]>();
  for (const { reason, tensor } of kept) {
    const names = byReason.get(reason);
    if (names) names.push(tensor.name);
    else byReason.set(reason, [tensor.name]);
  }
  return [...byReason].map(([reason, names]) =>
    names.length === 1
      ? said`${names[0]!} is ${reason}.`
      : said`${plural(names.length, 'matrix', 'matrices')} are ${reason}.`,
  );
}

/** That matrices which are quantized are so already. */
export function requantizedNotes(tensors: readonly NotedTensor[]): string[] {
  const note = requantizedNote(tensors.flatMap(({ tensor, matrix }) => (matrix ? [tensor.dtype] : [])));
  return note === undefined ? [] : [note];
}

/** Matrices that runtimes join, of which some are quantized and others are not: such a model does not load there. */
export function joinedWarnings(tensors: readonly NotedTensor[]): string[] {
  const quantized = new Set(tensors.flatMap(({ tensor, matrix }) => (matrix ? [tensor.name] : [])));
  const mixed = joinedWeights(tensors.map(({ tensor }) => tensor.name)).filter(
    (group) => group.some((name) => quantized.has(name)) && !group.every((name) => quantized.has(name)),
  );
  const [first] = mixed;
  if (!first) return [];
  const more = mixed.length === 1 ? '' : said` (and ${mixed.length - 1} more of that kind)`;
  return [
    said`${first.join(', ')}${more}: some of them are quantized and others are kept, but vLLM and SGLang join them into one matrix and do not load such a model.`,
  ];
}
