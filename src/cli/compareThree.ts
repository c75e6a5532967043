import type { ThreeWayComparison, ThreeWayTensor } from '../protocol/compare';
import type { CommandResult } from './command';
import { count, figure, table } from './text';

/** Two models against their original, as text. */
export function threeWayResult(result: ThreeWayComparison, limit: number): CommandResult {
  const head = ['tensor', 'original', 'A', 'error of A', 'B', 'error of B', 'closer'];
  return {
    json: result,
    lines: [...table(head, result.tensors.slice(0, limit).map(rowOf)), '', ...summary(result)],
  };
}

function rowOf({ name, dtypes, statuses, a, b, closer }: ThreeWayTensor): string[] {
  const errorOf = (side: 'a' | 'b'): string => {
    const error = { a, b }[side];
    return error ? figure(error.relativeError) : statuses[side];
  };
  return [name, dtypes.original, dtypes.a ?? '–', errorOf('a'), dtypes.b ?? '–', errorOf('b'), closer ?? ''];
}

function summary({ original, a, b, notes, relativeErrors, counts }: ThreeWayComparison): string[] {
  return [
    `original: ${original}`,
    `A: ${a}; relative error of all weights ${figure(relativeErrors.a)}`,
    `B: ${b}; relative error of all weights ${figure(relativeErrors.b)}`,
    `A is closer in ${count(counts.A)}, B in ${count(counts.B)}; ${count(counts.same)} have the same error`,
    ...notes,
  ];
}
