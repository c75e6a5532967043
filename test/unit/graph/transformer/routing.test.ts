import { describe, expect, it } from 'vitest';
import {
  gatherRows,
  routeGradients,
  routeTokens,
  scatterRows,
} from '../../../../src/graph/transformer/routing';

const experts = { count: 4, used: 2, normalized: false, scale: 1 };
/** Logits whose softmax is 0.1, 0.2, 0.3 and 0.4. */
const tenths = [1, 2, 3, 4].map(Math.log);

function expectShares(shares: readonly number[], expected: readonly number[]): void {
  expect(shares).toHaveLength(expected.length);
  expected.forEach((share, i) => expect(shares[i]).toBeCloseTo(share, 6));
}

describe('routing of tokens to experts', () => {
  it('gives each token to its most probable experts, with their probability over all experts', () => {
    const logits = Float32Array.of(...tenths, ...[...tenths].reverse());
    const found = routeTokens(logits, experts);
    expect(found.map(({ rows }) => rows)).toEqual([[1], [1], [0], [0]]);
    for (const [expert, share] of [0.4, 0.3, 0.3, 0.4].entries())
      expectShares(found[expert]!.shares, [share]);
  });

  it('makes the shares of the chosen add up to 1 where the architecture wants it', () => {
    const found = routeTokens(Float32Array.from(tenths), { ...experts, normalized: true });
    expectShares(found[2]!.shares, [3 / 7]);
    expectShares(found[3]!.shares, [4 / 7]);
  });

  it('multiplies the shares, normalized or not', () => {
    const logits = Float32Array.from(tenths);
    expectShares(routeTokens(logits, { ...experts, scale: 2.5 })[3]!.shares, [1]);
    expectShares(routeTokens(logits, { ...experts, scale: 7, normalized: true })[3]!.shares, [4]);
  });

  it('scores each expert on its own by its sigmoid, and compares scores with a bias that shares do not have', () => {
    const sigmoid = { ...experts, scale: 2, gating: 'sigmoid' } as const;
    const logits = Float32Array.of(0, Math.log(3), -Math.log(3), Math.log(9)); // 0.5, 0.75, 0.25, 0.9
    const plain = routeTokens(logits, sigmoid);
    expect(plain.map(({ rows }) => rows.length)).toEqual([0, 1, 0, 1]);
    expectShares(plain[1]!.shares, [1.5]);
    const biased = routeTokens(logits, { ...sigmoid, bias: Float32Array.of(0, 0, 1, 0), normalized: true });
    expect(biased.map(({ rows }) => rows.length)).toEqual([0, 0, 1, 1]);
    expectShares(biased[2]!.shares, [(2 * 0.25) / 1.15]);
    expectShares(biased[3]!.shares, [(2 * 0.9) / 1.15]);
  });

  it('chooses only among the experts of the groups whose two best have the largest sum', () => {
    const grouped = { count: 6, used: 2, normalized: true, scale: 1, groups: { count: 3, used: 1 } };
    // The best expert of all, 0.4, is in the first group: 0.4 + 0.01, 0.25 + 0.1, 0.2 + 0.24.
    const logits = Float32Array.from([0.4, 0.01, 0.25, 0.1, 0.2, 0.24].map(Math.log));
    const rowsOf = (used: number) =>
      routeTokens(logits, { ...grouped, groups: { count: 3, used } }).map(({ rows }) => rows.length);
    expect(rowsOf(1)).toEqual([0, 0, 0, 0, 1, 1]);
    expect(rowsOf(2)).toEqual([1, 0, 0, 0, 0, 1]);
    expectShares(routeTokens(logits, grouped)[5]!.shares, [0.24 / 0.44]);
    // A bias takes part in the choice of groups.
    const bias = Float32Array.of(0, 0, 0.2, 0, 0, 0);
    expect(routeTokens(logits, { ...grouped, bias }).map(({ rows }) => rows.length)).toEqual([
      0, 0, 1, 1, 0, 0,
    ]);
  });

  it('takes the first of experts that are equally probable', () => {
    const rowsOf = (...logits: number[]) =>
      routeTokens(Float32Array.from(logits), experts).map(({ rows }) => rows.length);
    expect(rowsOf(5, 5, 5, 5)).toEqual([1, 1, 0, 0]);
    expect(rowsOf(1, 2, 1, 1)).toEqual([1, 1, 0, 0]);
    expect(rowsOf(0, 1, 3, 1)).toEqual([0, 1, 1, 0]);
  });

  it('handles logits whose exponentials overflow', () => {
    const found = routeTokens(Float32Array.of(1000, 1000, -1000, 999), { ...experts, normalized: true });
    expectShares(found[0]!.shares, [0.5]);
    expectShares(found[1]!.shares, [0.5]);
    expect(found[2]!.rows).toEqual([]);
  });

  it('gives an expert that no token chose no rows, and every token as many experts as are used', () => {
    const logits = Float32Array.from({ length: 4 * 50 }, (_, i) => Math.sin(i * i) - (i % 4 === 1 ? 5 : 0));
    const found = routeTokens(logits, experts);
    expect(found[1]).toEqual({ rows: [], shares: [] });
    const perToken = new Uint8Array(50);
    for (const { rows } of found) for (const row of rows) perToken[row]! += 1;
    expect([...perToken]).toEqual(Array(50).fill(2));
  });
});

describe('rows of an expert', () => {
  const matrix = Float32Array.of(1, 2, 3, 10, 20, 30, 100, 200, 300);

  it('are gathered in the order in which they are named', () => {
    expect(gatherRows(matrix, 3, [2, 0])).toEqual(Float32Array.of(100, 200, 300, 1, 2, 3));
    expect(gatherRows(matrix, 3, [])).toHaveLength(0);
  });

  it('are added to their own rows, each times its share', () => {
    const to = matrix.slice();
    scatterRows(to, 3, Float32Array.of(4, 4, 4, 8, 0, -8), { rows: [2, 0], shares: [0.5, 0.25] });
    expect(to).toEqual(Float32Array.of(3, 2, 1, 10, 20, 30, 102, 202, 302));
  });

  it('come back as they were by gathering and scattering with shares that add up to 1', () => {
    const to = new Float32Array(9);
    for (const share of [0.25, 0.75])
      scatterRows(to, 3, gatherRows(matrix, 3, [1, 2, 0]), {
        rows: [1, 2, 0],
        shares: [share, share, share],
      });
    expect(to).toEqual(matrix);
  });
});

describe('gradients at the router', () => {
  it.each([
    { count: 4, used: 2, normalized: false, scale: 2.5 },
    { count: 4, used: 3, normalized: true, scale: 1 },
    { count: 4, used: 2, normalized: false, scale: 2.5, gating: 'sigmoid' as const },
    {
      count: 4,
      used: 3,
      normalized: true,
      scale: 2,
      gating: 'sigmoid' as const,
      bias: Float32Array.of(0, 2, 0, 1),
    },
  ])('are differences of the shares (%o)', (shape) => {
    const logits = Float64Array.of(0.3, -0.5, 1.25, 0.75, -1, 2, 0.25, 1);
    const weights = Float32Array.of(0.5, -1, 2, 3, 1, -2, 0.5, 4);
    /** Of logits in float32, whose steps are powers of two here. */
    const total = (changed: Float64Array): number =>
      routeTokens(Float32Array.from(changed), shape).reduce(
        (sum, { rows, shares }, expert) =>
          sum + rows.reduce((own, row, i) => own + shares[i]! * weights[row * 4 + expert]!, 0),
        0,
      );
    const found = routeGradients(Float32Array.from(logits), shape, weights);
    logits.forEach((value, i) => {
      const step = 2 ** -12;
      const expected =
        (total(logits.with(i, value + step)) - total(logits.with(i, value - step))) / (2 * step);
      expect(Math.abs(found[i]! - expected), `logit ${i}`).toBeLessThan(1e-5);
    });
  });
});
