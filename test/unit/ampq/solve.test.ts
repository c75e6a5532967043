import { describe, expect, it } from 'vitest';
import { isOptimal, isWithin, solveBudget } from '../../../src/ampq/solve';
import type { FileFrame } from '../../../src/protocol/fileFrame';
import {
  budgetRange,
  type Budget,
  type PlanAssignment,
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
    modelName: 'm',
    parameters,
    fixedBytes: 4 * fixedParameters,
    ...{ fixedParameters, rows, presets: [] },
  };
}

const plain = { Q4_K: 1e-2, Q6_K: 1e-3, Q8_0: 1e-4, F16: 0 };
const bpw = (value: number): Budget => ({ kind: 'bits-per-weight', value });
const bytes = (value: number): Budget => ({ kind: 'bytes', value });
const formatsOf = (table: SensitivityTable, value: number): string[] =>
  solveBudget(table, bpw(value)).assignments.map(({ format }) => format);
function errorOf(table: SensitivityTable, budget: Budget, frame?: FileFrame): unknown {
  try {
    return solveBudget(table, budget, frame);
  } catch (error) {
    return error;
  }
}
const tooSmall = (smallest: string): object => ({
  code: 'REQUEST',
  message: `The budget is too small: with the measured formats the model takes at least ${smallest}.`,
});

describe('solveBudget', () => {
  it('spends bits where they help most', () => {
    const sensitive = row('a', 2560, { Q4_K: 1e-1, Q6_K: 1e-3, Q8_0: 1e-4, F16: 0 });
    expect(formatsOf(tableOf(sensitive, row('b', 2560, plain)), 5.6)).toEqual(['Q6_K', 'Q4_K']);
  });

  it('weights errors by the number of weights', () => {
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
    const frame = { bytes: 450, alignment: 1 }; // norms and header
    const smallest = 450 + 1440;
    const fits = solveBudget(table, bytes(smallest), frame);
    expect(fits.total).toMatchObject({ bytes: 400 + 1440, fileBytes: smallest });
    expect(errorOf(table, bytes(smallest - 1), frame)).toMatchObject(tooSmall(`1.89 kB (${smallest}B)`));
  });

  it('counts the padding of each tensor against a budget in bytes, and not against bits per weight', () => {
    const table = tableOf(row('a', 1280, plain), row('b', 1280, plain));
    const frame = { bytes: 1000, alignment: 32 };
    const [q4, q6] = [736, 1056]; // 720 and 1,050 bytes, rounded up
    const formats = (budget: Budget): string[] =>
      solveBudget(table, budget, frame).assignments.map(({ format }) => format);
    const mixed = 1000 + q4 + q6;
    expect(formats(bytes(mixed)).sort()).toEqual(['Q4_K', 'Q6_K']);
    expect(solveBudget(table, bytes(mixed), frame).total).toMatchObject({
      bytes: 400 + 720 + 1050,
      fileBytes: mixed,
    });
    expect(formats(bytes(mixed - 1))).toEqual(['Q4_K', 'Q4_K']);
    expect(formats(bpw((4.5 + 6.5625) / 2)).sort()).toEqual(['Q4_K', 'Q6_K']);
  });

  it('compares with a preset whose file has exactly the size of the budget', () => {
    const presets = [{ fileType: 'exact', formats: ['Q4_K', 'Q6_K'] }];
    const table = { ...tableOf(row('a', 1280, plain), row('b', 1280, plain)), presets };
    const frame = { bytes: 1000, alignment: 32 };
    const size = 1000 + 736 + 1056;
    expect(solveBudget(table, bytes(size), frame).preset).toMatchObject({
      fileType: 'exact',
      fileBytes: size,
    });
    expect(solveBudget(table, bytes(size - 1), frame)).not.toHaveProperty('preset');
  });

  it('names the smallest bits per weight when there are fewer', () => {
    const table = tableOf(row('a', 2560, plain), row('b', 2560, { Q6_K: 1e-3 }));
    expect(errorOf(table, bpw(5.5))).toMatchObject(tooSmall('5.5313 bits per weight'));
  });

  it('prepares a table once, for all budgets', () => {
    let reads = 0;
    const table = tableOf(row('a', 2560, plain));
    const counted = Object.defineProperty({ ...table }, 'presets', {
      get: () => {
        reads += 1;
        return [];
      },
    });
    expect([4.5, 7, 9].map((value) => formatsOf(counted, value))).toEqual([['Q4_K'], ['Q6_K'], ['Q8_0']]);
    expect(reads).toBe(1);
  });

  it('weights errors by the roles of tensors', () => {
    const important = { ...row('a', 2560, plain), roleFactor: 4 };
    expect(formatsOf(tableOf(row('b', 5120, plain), important), 6)).toEqual(['Q4_K', 'Q8_0']);
    expect(formatsOf(tableOf(row('b', 5120, plain), row('a', 2560, plain)), 6)).toEqual(['Q6_K', 'Q4_K']);
  });

  it('writes matrices without a cell without loss, and counts them', () => {
    const table = tableOf(row('a', 2560, plain), row('odd', 1000, {}));
    const smallest = 400 + 1440 + 2000;
    const fits = solveBudget(table, bytes(smallest));
    expect(fits.total.bytes).toBe(smallest);
    expect(fits.assignments.map(({ tensor, format, bytes }) => [tensor, format, bytes])).toEqual([
      ['a', 'Q4_K', 1440],
      ['odd', 'BF16', 2000],
    ]);
    const small = tooSmall('3.84 kB (3840B)') as { message: string };
    expect(errorOf(table, bytes(smallest - 1))).toMatchObject({
      ...small,
      message: `${small.message} Tensors that were not measured are kept without loss: odd (BF16).`,
    });
  });

  it('skips cells without a usable error, and keeps a tensor that has no others', () => {
    const broken = row('nan', 2560, { Q4_K: NaN, Q6_K: Infinity, F16: 0 });
    expect(formatsOf(tableOf(broken, row('b', 2560, plain)), 11)).toEqual(['F16', 'Q4_K']);
    const lost = tableOf(row('nan', 2560, { Q4_K: NaN, F16: Infinity }), row('b', 2560, plain));
    expect(budgetRange(lost)).toEqual({ min: (16 + 4.5) / 2, max: 16 });
    expect(formatsOf(lost, 11)).toEqual(['BF16', 'Q4_K']);
  });

  it('asks for a measurement when there is none', () =>
    expect(errorOf(tableOf(row('a', 2560, {})), bytes(1e9))).toMatchObject({
      code: 'REQUEST',
      message: 'Nothing has been measured yet: run the sensitivity analysis first.',
    }));

  it('names the tensors without a format if no tensor can have one', () => {
    const table = { ...tableOf(), skipped: [{ tensor: 'w', reason: 'its name does not end in "weight"' }] };
    expect(errorOf(table, bytes(1e9))).toMatchObject({
      code: 'REQUEST',
      message:
        'The model has no tensors that a plan can choose a format for. Not measured, and without a format in plans: w (its name does not end in "weight").',
    });
    expect(isWithin(table, bytes(1))).toBe(true);
  });

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
      const solved = solveBudget(table, bpw(value));
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
    const budget = bpw((2 * 4.5 + 8.5) / 3);

    it('spends bits on what the output depends on', () => {
      expect(formatsOf(tableOf(large, small), 5.9)).toEqual(['Q6_K', 'Q4_K']);
      expect(formatsOf(table, budget.value)).toEqual(['Q4_K', 'Q8_0']);
    });

    it('predicts the sum of the divergences that its formats cause', () => {
      const solved = solveBudget(table, budget);
      expect(solved.total.divergence).toBeCloseTo(0.01 * 1e-2 + 0.5 * 1e-4, 12);
      expect(solved.total.error).toBeCloseTo((2 * 1e-2 + 1e-4) / 3, 12);
      expect(solved.optimal).toBe(true);
    });

    it('uses weights if a tensor lacks its gain', () => {
      const half = solveBudget(tableOf(large, withGain(small, 0.5)), bpw(5.9));
      expect(half.assignments.map(({ format }) => format)).toEqual(['Q6_K', 'Q4_K']);
      expect(half.total).not.toHaveProperty('divergence');
      expect(half.assignments.map((item) => 'gain' in item)).toEqual([false, true]);
    });

    it('needs none for a tensor that is only written without loss', () => {
      const odd = row('odd', 2560, {});
      const solved = solveBudget({ ...table, rows: [...table.rows, odd] }, bpw((3 * 5.9 + 16) / 4));
      expect(solved.assignments.map(({ format }) => format)).toEqual(['Q4_K', 'Q8_0', 'BF16']);
      expect(solved.total.divergence).toBeCloseTo(0.01 * 1e-2 + 0.5 * 1e-4, 12);
    });

    it('gives a tensor that does nothing the fewest bits', () => {
      const idle = tableOf(withGain(large, 0), withGain(small, 0.5));
      expect(formatsOf(idle, 9)).toEqual(['Q4_K', 'F16']);
      expect(solveBudget(idle, bpw(9)).total.divergence).toBe(0);
    });
  });
});

describe('presets', () => {
  const rows = [row('large', 5120, plain), row('small', 2560, { ...plain, Q4_K: 5e-3 })];
  const table: SensitivityTable = {
    ...tableOf(...rows),
    presets: [
      { fileType: 'low', formats: ['Q4_K', 'Q4_K'] },
      { fileType: 'best', formats: ['Q4_K', 'Q6_K'] },
      { fileType: 'next', formats: ['Q4_K', 'Q4_K'] },
      { fileType: 'unmeasured', formats: ['Q6_K', 'Q5_K'] },
      { fileType: 'large', formats: ['Q8_0', 'Q8_0'] },
    ],
  };
  const best = { fileType: 'best', bytes: 400 + 2880 + 2100 };

  it('that fit are compared by what a plan minimises, and the best is stated', () => {
    const roleError = (2 * 1e-2 + 1e-3) / 3;
    const { preset, assignments } = solveBudget(table, bpw(6));
    expect(preset).toStrictEqual({ ...best, roleError: expect.closeTo(roleError, 12) as number });
    expect(assignments.map(({ format }) => format)).toEqual(['Q6_K', 'Q4_K']);
    expect(solveBudget(table, bpw(8.5)).preset?.fileType).toBe('large');
    expect(solveBudget(table, bpw(4.5)).preset?.fileType).toBe('low');
    expect(solveBudget({ ...table, presets: table.presets.slice(3) }, bpw(6))).not.toHaveProperty('preset');
  });

  it('have the divergence that gains predict', () => {
    const gains = [0.25, 0.5];
    const withGains = { ...table, rows: rows.map((item, i) => ({ ...item, gain: gains[i]! })) };
    expect(solveBudget(withGains, bpw(6)).preset).toEqual({
      ...best,
      roleError: expect.closeTo((2 * 1e-2 + 1e-3) / 3, 12) as number,
      divergence: expect.closeTo(0.25 * 1e-2 + 0.5 * 1e-3, 12) as number,
    });
  });
});

describe('a search that is cut short', () => {
  // Each tensor takes once or twice its number of weights: the best choice is that of the subset that fills the budget.
  const random = new Random(11);
  const rows = Array.from({ length: 30 }, (_, i) => {
    const weights = 1000 + Math.floor(99_000 * random.next());
    const choice = (format: string, bytes: number, relativeSquaredError: number): SensitivityCell => ({
      ...cell('Q8_0', weights, relativeSquaredError),
      ...{ format, bytes, bitsPerWeight: (8 * bytes) / weights },
    });
    return rowWith(`t${i}`, weights, [choice('small', weights, 1), choice('large', 2 * weights, 0)]);
  });
  const table = tableOf(...rows);
  const budget = bpw(8 * 1.8);

  it('reports that, and is not worse than a preset', () => {
    const exact = solveBudget(table, budget);
    const quick = solveBudget(table, budget, undefined, { effort: 'quick' });
    expect({ optimal: exact.optimal, gap: exact.gap }).toEqual({ optimal: true, gap: 0 });
    expect(quick.optimal).toBe(false);
    expect(quick.total.error! * (1 - quick.gap)).toBeLessThanOrEqual(exact.total.error!);
    expect(quick.total.error).toBeGreaterThan(exact.total.error!);
    const formats = exact.assignments.map(({ format }) => format);
    const withPreset = { ...table, presets: [{ fileType: 'any', formats }] };
    expect(solveBudget(withPreset, budget, undefined, { effort: 'quick' }).assignments).toEqual(
      exact.assignments,
    );
  });

  it('is not worse than a preset that meets the constraints where a better one does not', () => {
    const exact = solveBudget(table, budget);
    const formatsOf = ({ assignments }: typeof exact): string[] => assignments.map(({ format }) => format);
    const pinned = formatsOf(exact)[0] === 'large' ? 'small' : 'large';
    const constraints = [{ tensors: '^t0$', allow: [pinned] }];
    const best = solveBudget(table, budget, undefined, { constraints });
    const presets = [
      { fileType: 'against', formats: formatsOf(exact) },
      { fileType: 'allowed', formats: formatsOf(best) },
    ];
    const quick = { constraints, effort: 'quick' } as const;
    expect(solveBudget(table, budget, undefined, quick).total.error).toBeGreaterThan(best.total.error!);
    const solved = solveBudget({ ...table, presets }, budget, undefined, quick);
    expect(solved.assignments).toEqual(best.assignments);
    expect(solved.preset?.fileType).toBe('against');
  });
});

describe('isWithin', () => {
  // The smallest: 400 bytes of norms, 1,440 of "a" and 2,100 of "b", which has no smaller cell.
  const table = tableOf(row('a', 2560, plain), row('b', 2560, { Q6_K: 1e-3, F16: 0 }));
  it.each([
    [bpw(5.53125), undefined, true],
    [bpw(5.531), undefined, false],
    [bytes(3940), undefined, true],
    [bytes(3939), undefined, false],
    [bytes(3999), { bytes: 460, alignment: 1 }, false],
    [bytes(4000), { bytes: 460, alignment: 1 }, true],
    [bytes(4011), { bytes: 460, alignment: 32 }, false],
    [bytes(4012), { bytes: 460, alignment: 32 }, true],
  ])('%j in the frame %j: %s', (budget, frame, expected) => {
    expect(isWithin(table, budget, frame)).toBe(expected);
  });
});

describe('whether a plan is the best of its size', () => {
  const table = tableOf(
    row('a', 2560, { Q4_K: 1e-1, Q6_K: 1e-2, Q8_0: 1e-3 }),
    row('b', 2560, { Q4_K: 1e-2, Q6_K: 1e-3, Q8_0: 1e-4 }),
    row('c', 1280, { Q4_K: 1e-3, Q8_0: Infinity }),
  );
  const planned = (...formats: string[]) =>
    formats.map((format, i) => ({ ...solveBudget(table, full).assignments[i]!, format }));
  const isBest = (of: SensitivityTable, assignments: readonly PlanAssignment[]): boolean =>
    isOptimal(of, { assignments, budget: full });
  const full = { kind: 'bits-per-weight', value: 16 } as const;

  it('holds for those of the solver, in any order', () => {
    for (const value of [4.5, 5.2, 5.6, 6, 7, 16]) {
      const { assignments } = solveBudget(table, { kind: 'bits-per-weight', value });
      expect(isBest(table, assignments), String(value)).toBe(true);
      expect(isBest(table, [...assignments].reverse()), String(value)).toBe(true);
    }
  });

  it('does not hold where the same bytes could do better', () => {
    expect(isBest(table, planned('Q6_K', 'Q4_K', 'Q4_K'))).toBe(true);
    expect(isBest(table, planned('Q4_K', 'Q6_K', 'Q4_K'))).toBe(false);
    expect(isBest(table, planned('Q4_K', 'Q8_0', 'Q4_K'))).toBe(false);
  });

  it('uses gains where they are known', () => {
    const gains = [0.001, 1, 1];
    const measured = { ...table, rows: table.rows.map((item, i) => ({ ...item, gain: gains[i]! })) };
    expect(isBest(measured, planned('Q4_K', 'Q6_K', 'Q4_K'))).toBe(true);
    expect(isBest(measured, planned('Q6_K', 'Q4_K', 'Q4_K'))).toBe(false);
  });

  it('is not known of formats that were not measured, or of other tensors', () => {
    expect(isBest(table, planned('Q6_K', 'Q4_K', 'Q6_K'))).toBe(false);
    expect(isBest(table, planned('Q6_K', 'Q4_K', 'Q8_0'))).toBe(false); // its error is not finite
    expect(isBest(table, planned('Q6_K', 'Q4_K'))).toBe(false);
    const [a, b, c] = planned('Q6_K', 'Q4_K', 'Q4_K');
    expect(isBest(table, [a!, b!, { ...c!, tensor: 'd' }])).toBe(false);
  });
});
