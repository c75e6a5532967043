import type {
  Closer,
  ComparedTensor,
  ModelComparison,
  ThreeWayComparison,
  ThreeWayTensor,
} from '../protocol/compare';

/**
 * Joins two comparisons of one original. Tensors are matched by their names in its file, as names of the comparisons are those of GGUF where only
 * one side is GGUF; tensors that the original lacks are left out.
 */
export function joinComparisons(a: ModelComparison, b: ModelComparison): ThreeWayComparison {
  const inB = bySource(b.tensors);
  const tensors: ThreeWayTensor[] = [];
  for (const [key, left] of bySource(a.tensors)) {
    const right = inB.get(key);
    if (right) tensors.push(joined(left, right));
  }
  const counts: Record<Closer, number> = { A: 0, B: 0, same: 0 };
  for (const { closer } of tensors) if (closer) counts[closer] += 1;
  return {
    ...{ original: a.a, a: a.b, b: b.b, counts },
    notes: [...new Set([...a.notes, ...b.notes])],
    tensors: tensors.sort((x, y) => gapOf(y) - gapOf(x)),
    relativeErrors: { a: a.relativeError, b: b.relativeError },
  };
}

/** Tensors that the original has, by their names in its file; several that are made of one tensor keep their own names. */
function bySource(tensors: readonly ComparedTensor[]): Map<string, ComparedTensor> {
  const own = tensors.filter(({ a }) => a !== undefined);
  const counts = new Map<string, number>();
  for (const { a } of own) counts.set(a!.name, (counts.get(a!.name) ?? 0) + 1);
  return new Map(
    own.map((tensor) => [counts.get(tensor.a!.name) === 1 ? tensor.a!.name : tensor.name, tensor]),
  );
}

function joined(left: ComparedTensor, right: ComparedTensor): ThreeWayTensor {
  const [a, b] = [left.error, right.error];
  return {
    name: left.a!.name,
    shape: left.a!.shape,
    dtypes: {
      original: left.a!.dtype,
      ...(left.b ? { a: left.b.dtype } : {}),
      ...(right.b ? { b: right.b.dtype } : {}),
    },
    statuses: { a: left.status, b: right.status },
    ...(a ? { a } : {}),
    ...(b ? { b } : {}),
    ...(a && b ? { closer: closerOf(a.mse, b.mse) } : {}),
  };
}

const closerOf = (a: number, b: number): Closer => (a === b ? 'same' : a < b ? 'A' : 'B');

/** How far apart the errors are; a tensor that one of them lacks comes first. */
function gapOf({ a, b }: ThreeWayTensor): number {
  if (!a || !b) return Infinity;
  return a.relativeError === b.relativeError ? 0 : Math.abs(a.relativeError - b.relativeError);
}
