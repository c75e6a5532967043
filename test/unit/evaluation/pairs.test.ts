import { describe, expect, it } from 'vitest';
import { normalized, parsePairs, rank, retrievalOf } from '../../../src/evaluation/pairs';

const line = (query: unknown, document: unknown): string => JSON.stringify({ query, document });
const pause = () => Promise.resolve();

describe('a file of pairs', () => {
  it('lists each text once', () => {
    const text = `${line('a', 'x')}\r\n\n${line('b', 'x')}\n${line('x', 'a')}\n`;
    expect(parsePairs(text, 'f')).toEqual({
      texts: ['a', 'x', 'b'],
      pairs: [
        { query: 0, document: 1 },
        { query: 2, document: 1 },
        { query: 1, document: 0 },
      ],
    });
  });

  it.each([
    ['', /The file has 0 pairs; at least 2/],
    [line('a', 'b'), /The file has 1 pairs/],
    [`${line('a', 'b')}\n{`, /^Line 2 is not JSON/],
    [`${line('a', 'b')}\n\n${line('a', 3)}`, /^Line 3 needs a "query" and a "document"/],
    [line('a', ' '), /^Line 1 needs/],
    ['[]', /^Line 1 needs/],
    [Array.from({ length: 5001 }, (_, i) => line(`q${i}`, `d${i}`)).join('\n'), /5001 pairs; at most 5000/],
  ])('is rejected with its line: %#', (text, message) =>
    expect(() => parsePairs(text, 'f')).toThrow(message),
  );
});

describe('retrieval', () => {
  const vectors = (...rows: number[][]) => normalized(rows.map((row) => Float32Array.from(row)));
  const pairs = parsePairs([line('a', 'x'), line('b', 'y'), line('c', 'z')].join('\n'), 'f');

  it('ranks the own document among all by the cosine', async () => {
    // a is closest to x; y is closer to b than x, but z is closest; c is as close to z as to y, which counts against it.
    const ranking = await rank(pairs, vectors([1, 0.1], [5, 0], [1, 4], [1, 1], [1, 1], [1, 2]), pause);
    expect([...ranking.ranks]).toEqual([1, 2, 2]);
    expect(ranking.firsts).toEqual([1, 5, 3]);
    const { first, amongTen, reciprocalRank } = retrievalOf(ranking);
    expect([first.value, amongTen.value, reciprocalRank.value]).toEqual([1 / 3, 1, 2 / 3]);
  });

  it('does not count what equals everything, or is not a number, as found', async () => {
    for (const value of [1, 0, NaN]) {
      const { ranks } = await rank(pairs, vectors(...Array.from({ length: 6 }, () => [value, value])), pause);
      expect([...ranks]).toEqual([3, 3, 3]);
    }
  });
});
