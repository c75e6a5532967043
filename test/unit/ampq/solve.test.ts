import { describe, expect, it } from 'vitest';
import { solveBudget } from '../../../src/ampq/solve';
import {
  budgetRange,
  type SensitivityCell,
  type SensitivityRow,
  type SensitivityTable,
} from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';
import { Random } from '../../support/random';

const bits: Record<string, number> = { Q4_K: 4.5, Q6_K: 6.5625, Q8_0: 8.5, F16: 16 };

function cell(format: string, weights: number, relativeSquaredError: number): SensitivityCell {
  const bitsPerWeight = bits[format]!;
  const bytes = (weights * bitsPerWeight) / 8;
  return { format, bytes, bitsPerWeight, relativeSquaredError, sqnr: 0, maxError: 0, device: 'cpu' };
}

function row(tensor: string, weights: number, errors: Record<string, number>): SensitivityRow {
  const cells = Object.entries(errors).map(([format, error]) => cell(format, weights, error));
  return rowWith(tensor, weights, cells);
}

function tableOf(...rows: SensitivityRow[]): SensitivityTable {
  const fixedParameters = 100;
  const parameters = rows.reduce((sum, { weights }) => sum + weights, fixedParameters);
  return {
    modelHash: 'h',
    modelPath: '/m',
    parameters,
    fixedBytes: 4 * fixedParameters,
    ...{ fixedParameters, rows, presets: [] },
  };
}

const plain = { Q4_K: 1e-2, Q6_K: 1e-3, Q8_0: 1e-4, F16: 0 };
const formatsOf = (table: SensitivityTable, value: number): string[] =>
  solveBudget(table, { kind: 'bits-per-weight', value }).assignments.map(({ format }) => format);

describe('solveBudget', () => {
  it('spends bits where they help most', () => {
    const sensitive = row('a', 2560, { Q4_K: 1e-1, Q6_K: 1e-3, Q8_0: 1e-4, F16: 0 });
    expect(formatsOf(tableOf(sensitive, row('b', 2560, plain)), 5.6)).toEqual(['Q6_K', 'Q4_K']);
  });

  it('weighs errors by the numbers of weights', () => {
    // One Q6_K fits for the large tensor or for the two small ones; the small ones gain less in all.
    const table = tableOf(
      row('large', 5120, plain),
      row('s1', 2560, plain),
      row('s2', 2560, { ...plain, Q4_K: 5e-3 }),
    );
    expect(formatsOf(table, 5.54)).toEqual(['Q6_K', 'Q4_K', 'Q4_K']);
  });

  it('hits a budget that is exactly the bits of a mix', () => {
    const table = tableOf(row('a', 2560, plain), row('b', 2560, plain));
    const { min, max } = budgetRange(table);
    expect([min, max]).toEqual([4.5, 16]);
    expect(formatsOf(table, min)).toEqual(['Q4_K', 'Q4_K']);
    expect(formatsOf(table, (6.5625 + 6.5625) / 2)).toEqual(['Q6_K', 'Q6_K']);
    expect(formatsOf(table, max)).toEqual(['F16', 'F16']);
  });

  it('counts what is not assigned against a budget in bytes', () => {
    const table = tableOf(row('a', 2560, plain));
    const smallest = 400 + 1440 + 50; // norms, Q4_K, overhead
    const fits = solveBudget(table, { kind: 'bytes', value: smallest }, 50);
    expect(fits.total.bytes + 50).toBe(smallest);
    expect(() => solveBudget(table, { kind: 'bytes', value: smallest - 1 }, 50)).toThrow(
      new RegExp(`at least ${smallest} bytes`),
    );
  });

  it('writes matrices without a cell without loss, and counts them', () => {
    const table = tableOf(row('a', 2560, plain), row('odd', 1000, {}));
    const smallest = 400 + 1440 + 2000;
    const fits = solveBudget(table, { kind: 'bytes', value: smallest });
    expect(fits.total.bytes).toBe(smallest);
    expect(fits.assignments.map(({ tensor, format, bytes }) => [tensor, format, bytes])).toEqual([
      ['a', 'Q4_K', 1440],
      ['odd', 'BF16', 2000],
    ]);
    expect(() => solveBudget(table, { kind: 'bytes', value: smallest - 1 })).toThrow(/at least 3840 bytes/);
  });

  it('passes over cells that have no error to weigh, and keeps a tensor that has no others', () => {
    const broken = row('nan', 2560, { Q4_K: NaN, Q6_K: Infinity, F16: 0 });
    expect(formatsOf(tableOf(broken, row('b', 2560, plain)), 11)).toEqual(['F16', 'Q4_K']);
    const lost = tableOf(row('nan', 2560, { Q4_K: NaN, F16: Infinity }), row('b', 2560, plain));
    expect(budgetRange(lost)).toEqual({ min: (16 + 4.5) / 2, max: 16 });
    expect(formatsOf(lost, 11)).toEqual(['BF16', 'Q4_K']);
  });

  it('asks for a measurement when there is none', () =>
    expect(() => solveBudget(tableOf(row('a', 2560, {})), { kind: 'bytes', value: 1e9 })).toThrow(
      'Nothing has been measured yet: run the sensitivity analysis first.',
    ));

  it('is never better with fewer bits', () => {
    const random = new Random(5);
    const rows = Array.from({ length: 60 }, (_, i) => {
      const scale = Math.exp(2 * random.normal());
      const errors = Object.fromEntries(
        Object.entries(bits).map(([format, b]) => [format, format === 'F16' ? 0 : scale * 4 ** -b]),
      );
      return row(`t${i}`, 2560 * (1 + (i % 5)), errors);
    });
    const table = tableOf(...rows);
    let last = Infinity;
    for (let value = 4.5; value <= 16; value += 0.05) {
      const solved = solveBudget(table, { kind: 'bits-per-weight', value });
      expect(solved.optimal).toBe(true);
      expect(solved.total.bitsPerWeight).toBeLessThanOrEqual(value + 1e-3);
      expect(solved.total.error).toBeLessThanOrEqual(last);
      last = solved.total.error!;
    }
  });

  describe('where each tensor has a gain', () => {
    const withGain = (item: SensitivityRow, gain: number): SensitivityRow => ({ ...item, gain });
    // By weights the large tensor counts twice; the output depends on the small one.
    const large = row('large', 5120, plain);
    const small = row('small', 2560, plain);
    const table = tableOf(withGain(large, 0.01), withGain(small, 0.5));
    const budget = { kind: 'bits-per-weight', value: (2 * 4.5 + 8.5) / 3 } as const;

    it('spends bits on what the output depends on', () => {
      expect(formatsOf(tableOf(large, small), 5.9)).toEqual(['Q6_K', 'Q4_K']);
      expect(formatsOf(table, budget.value)).toEqual(['Q4_K', 'Q8_0']);
    });

    it('expects the sum of what its formats cause', () => {
      const solved = solveBudget(table, budget);
      expect(solved.total.divergence).toBeCloseTo(0.01 * 1e-2 + 0.5 * 1e-4, 12);
      expect(solved.total.error).toBeCloseTo((2 * 1e-2 + 1e-4) / 3, 12);
      expect(solved.optimal).toBe(true);
    });

    it('goes by weights when a tensor lacks its gain', () => {
      const half = solveBudget(tableOf(large, withGain(small, 0.5)), budget);
      const formats = formatsOf(tableOf(large, small), budget.value);
      expect(half.assignments.map(({ format }) => format)).toEqual(formats);
      expect(half.total).not.toHaveProperty('divergence');
    });

    it('gives a tensor that does nothing the fewest bits', () => {
      const idle = tableOf(withGain(large, 0), withGain(small, 0.5));
      expect(formatsOf(idle, 9)).toEqual(['Q4_K', 'F16']);
      expect(solveBudget(idle, { kind: 'bits-per-weight', value: 9 }).total.divergence).toBe(0);
    });
  });
});
