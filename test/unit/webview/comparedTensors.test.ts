import { describe, expect, it } from 'vitest';
import type { ComparedTensor } from '../../../src/protocol/compare';
import { lineOf, orderCompared } from '../../../webview/comparedTensors';
import { filtered, parseFilter } from '../../../webview/filter';

const side = (name: string, dtype: string) => ({ name, dtype, shape: [2, 2] });
const differing = (name: string, relativeError: number): ComparedTensor => ({
  ...{ name, status: 'different' as const, a: side(name, 'BF16'), b: side(name, 'Q4_K') },
  error: {
    mse: 0,
    relativeSquaredError: relativeError ** 2,
    relativeError,
    sqnr: -20 * Math.log10(relativeError),
    cosine: 1 - relativeError,
    maxError: 1,
  },
});

const missing: ComparedTensor = { name: 'extra', status: 'only in A', a: side('extra', 'F32') };
const all = [differing('b', 0.1), differing('a', 0.3), differing('nan', NaN), missing, differing('c', 0)];
const names = (tensors: readonly ComparedTensor[]): string[] => tensors.map(({ name }) => name);

describe('compared tensors', () => {
  it('are ordered by error, with what cannot be compared or has no error among the worst', () => {
    expect(names(orderCompared(all, { column: 'error', descending: true }))).toEqual([
      'nan',
      'extra',
      'a',
      'b',
      'c',
    ]);
    expect(names(orderCompared(all, { column: 'error', descending: false })).slice(0, 3)).toEqual([
      'c',
      'b',
      'a',
    ]);
  });

  it('are ordered by words, too', () =>
    expect(names(orderCompared(all, { column: 'a', descending: true }))[0]).toBe('extra'));

  it('are found by name, state and dtype', () => {
    const matching = (text: string) => names([...filtered(all, parseFilter(text), lineOf)]);
    expect(matching('different q4_k')).toEqual(['b', 'a', 'nan', 'c']);
    expect(matching('ONLY')).toEqual(['extra']);
    expect(matching('!different')).toEqual(['extra']);
    expect(matching('')).toHaveLength(5);
  });
});
