import { describe, expect, it } from 'vitest';
import { fromColumns, toColumns } from '../../../src/protocol/columns';
import { decodeExact, encodeExact } from '../../../src/protocol/exactJson';

interface Item {
  readonly name: string;
  readonly dtype?: string | null;
  readonly shape?: readonly number[];
  readonly error?: number;
}

/** Through a boundary: as JSON. */
const sent = <T>(value: T): T => decodeExact(JSON.parse(JSON.stringify(encodeExact(value)))) as T;

const back = (items: readonly Item[]): Item[] => fromColumns(sent(toColumns(items)));

describe('lists as columns', () => {
  it('come back as they were', () => {
    const items: Item[] = [
      { name: 'a', dtype: 'BF16', shape: [2, 3], error: 0.25 },
      { name: 'b', dtype: 'BF16', shape: [2, 3], error: NaN },
      { name: 'c', dtype: 'F32', shape: [], error: -0 },
      { name: 'd', dtype: null, shape: [2, 3], error: 0 },
      { name: 'e' },
      { name: 'f', shape: [2], error: Infinity },
    ];
    const received = back(items);
    expect(received).toEqual(items);
    expect(received.map(({ error }) => Object.is(error, -0))).toEqual([
      false,
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(Object.keys(received[4]!)).toEqual(['name']);
  });

  it('hold a value that many share once, and those that differ in order', () => {
    const items = ['a', 'b', 'c', 'd'].map((name): Item => ({ name, dtype: 'BF16', shape: [2, 3] }));
    expect(toColumns(items)).toEqual({
      count: 4,
      fields: {
        name: { values: ['a', 'b', 'c', 'd'] },
        dtype: { distinct: ['BF16'], of: [0, 0, 0, 0] },
        shape: { distinct: [[2, 3]], of: [0, 0, 0, 0] },
      },
    });
  });

  it('tell values of different types apart', () => {
    const values = [1, '1', '-0', -0, 0, '[1]', [1], null, 'null', true];
    const items = [...values, ...values].map((value) => ({ value }));
    expect(fromColumns(toColumns(items))).toEqual(items);
  });

  it('may be empty', () => {
    expect(back([])).toEqual([]);
    expect(fromColumns(toColumns([{}, {}]))).toEqual([{}, {}]);
  });
});
