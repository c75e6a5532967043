import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import { gainsAround, proposeSwaps, tableOfPlan, withChanges } from '../../../src/ampq/planSwaps';
import type { FormatChange } from '../../../src/protocol/certificate';
import type {
  Plan,
  PlanAssignment,
  PlanConstraint,
  SensitivityCell,
  SensitivityTable,
} from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';
import { Random } from '../../support/random';

const bits: Readonly<Record<string, number>> = { Q2_K: 2.625, Q3_K: 3.4375, Q4_K: 4.5, Q6_K: 6.5625 };
const errors: Readonly<Record<string, number>> = { Q2_K: 0.1, Q3_K: 0.025, Q4_K: 0.005, Q6_K: 0.0003 };

function cell(format: string, weights: number): SensitivityCell {
  const bitsPerWeight = bits[format]!;
  return {
    ...{ format, bytes: (weights * bitsPerWeight) / 8, bitsPerWeight, relativeSquaredError: errors[format]! },
    ...{ sqnr: 0, maxError: 0, device: 'cpu' },
  };
}

/** Rows of these gains, a layer of two each. */
function tableOf(gains: readonly number[]): SensitivityTable {
  const rows = gains.map((gain, i) => {
    const name = `blk.${i >> 1}.${i % 2 === 0 ? 'attn_q' : 'attn_k'}.weight`;
    const cells = Object.keys(bits).map((format) => cell(format, 2560));
    return { ...rowWith(name, 2560, cells), gain };
  });
  return {
    ...{ modelHash: 'h', modelName: 'm', parameters: 2560 * gains.length, fixedBytes: 0, fixedParameters: 0 },
    ...{ rows, presets: [] },
  };
}

const divergenceBy = ({ rows }: SensitivityTable, { assignments }: Pick<Plan, 'assignments'>): number =>
  assignments.reduce((sum, { format }, i) => sum + rows[i]!.gain! * errors[format]!, 0);
const bytesOf = ({ assignments }: Pick<Plan, 'assignments'>): number =>
  assignments.reduce((sum, { bytes }) => sum + bytes, 0);
const planOf = (table: SensitivityTable, constraints: readonly PlanConstraint[] = []): Plan =>
  makePlan(table, { kind: 'bits-per-weight', value: 4 }, undefined, { constraints });

describe('gains around a plan', () => {
  const table = tableOf([1, 2, 4, 8]);
  const plan = planOf(table);
  const influence = (tensor: number, factor: number): [string, number] => {
    const { tensor: name, format, gain = 0 } = plan.assignments[tensor]!;
    return [name, 1 - factor * gain * errors[format]!];
  };

  it('are what a tensor adds beside all others for each unit of its error', () => {
    const without = new Map([influence(0, 1.5), influence(1, 0.5)]);
    const { rows } = gainsAround(table, plan, { together: 1, without });
    expect(rows.map(({ gain }) => Number(gain!.toPrecision(6)))).toEqual([1.5, 1, 4, 8]);
  });

  it('keep within a factor of 4 of those of the tensor alone', () => {
    const without = new Map([influence(0, 100), influence(1, -3)]);
    const { rows } = gainsAround(table, plan, { together: 1, without });
    expect(rows.slice(0, 2).map(({ gain }) => gain)).toEqual([4, 0.5]);
  });
});

describe('the table of a plan', () => {
  it('has the gains that the plan states, and refuses a format whose error is not known', () => {
    const plan = planOf(tableOf([1, 2]));
    const { rows } = tableOfPlan(tableOf([5, 5]), plan);
    expect(rows.map(({ gain }) => gain)).toEqual([1, 2]);
    const [first, second] = plan.assignments;
    const other = { ...plan, assignments: [{ ...first!, format: 'Q8_0' }, second!] };
    expect(() => tableOfPlan(tableOf([1, 2]), other)).toThrow(
      'Swaps are proposed from the errors that the plan was made from, and that of this tensor in Q8_0 is not kept: make the plan again, or leave out --improve. (tensor "blk.0.attn_q.weight")',
    );
  });

  it('has the tensors that the plan lists, in its order', () => {
    const table = tableOf([1, 2, 4]);
    const plan = planOf(table);
    const [first, , third] = plan.assignments;
    const { rows } = tableOfPlan(table, { ...plan, assignments: [third!, first!] });
    expect(rows.map(({ tensor, gain }) => [tensor, gain])).toEqual([
      [third!.tensor, 4],
      [first!.tensor, 1],
    ]);
  });

  it('has types of GGUF alone, and for the plan of another runtime the formats of that', () => {
    const own = tableOf([1, 2]);
    const others = ['nf4', 'int4-g128-bf16', 'int8-g128-bf16'].map((format) => ({
      ...cell('Q4_K', 2560),
      format,
    }));
    const stored = { ...own, rows: own.rows.map((row) => ({ ...row, cells: [...row.cells, ...others] })) };
    const formatsFor = (of: Plan): string[][] =>
      tableOfPlan(stored, of).rows.map(({ cells }) => cells.map(({ format }) => format));
    const plan = planOf(own);
    expect(plan.formats).toEqual(Object.keys(bits));
    expect(formatsFor(plan)).toEqual([Object.keys(bits), Object.keys(bits)]);
    // What was measured since, or was ruled out when the plan was made, is no format of it; one that a user gave a tensor is.
    const few = { ...plan, formats: ['Q4_K', 'Q6_K'] };
    const [first, second] = few.assignments;
    const edited = {
      ...few,
      assignments: [
        { ...first!, format: 'Q2_K' },
        { ...second!, format: 'Q4_K' },
      ],
    };
    expect(formatsFor(edited)).toEqual([
      ['Q2_K', 'Q4_K', 'Q6_K'],
      ['Q4_K', 'Q6_K'],
    ]);
    // Files of earlier versions do not say.
    delete (plan as { formats?: unknown }).formats;
    expect(formatsFor(plan)).toEqual([Object.keys(bits), Object.keys(bits)]);
    const integers = ['int8-g128-bf16', 'int4-g128-bf16'];
    const assignments = plan.assignments.map((item, i) => ({ ...item, format: integers[i]! }));
    const expected = ['int4-g128-bf16', 'int8-g128-bf16'];
    expect(formatsFor({ ...plan, assignments })).toEqual([expected, expected]);
  });
});

describe('proposed swaps', () => {
  const before = tableOf([1, 1, 1, 1, 32, 32]);
  const around = tableOf([32, 1, 1, 1, 32, 1]);
  const plan = planOf(before);
  const applied = (changes: readonly FormatChange[], to = plan): Plan => withChanges(before, to, changes)!;

  it('are none where the plan is the best by the gains around it', () => {
    expect(proposeSwaps(before, plan, 6)).toEqual([]);
  });

  it('count the error of a format that was changed by hand, which the table has', () => {
    const assignments = plan.assignments.map(({ tensor, sources, ...item }, i): PlanAssignment => {
      if (i !== 4) return { tensor, sources, ...item };
      const { bytes, bitsPerWeight } = cell('Q2_K', 2560);
      return { tensor, sources, format: 'Q2_K', bytes, bitsPerWeight, gain: item.gain! };
    });
    const [whole] = proposeSwaps(before, { ...plan, assignments }, 6);
    expect(whole!.map(({ tensor }) => tensor)).toContain(assignments[4]!.tensor);
    const without = new Map([[assignments[4]!.tensor, 1 - 2 * 32 * errors['Q2_K']!]]);
    const { rows } = gainsAround(before, { assignments }, { together: 1, without });
    expect(rows[4]!.gain).toBeCloseTo(64, 10);
  });

  it('are none for a plan that was changed by hand to fewer bytes than its constraints allow', () => {
    const { bytes, bitsPerWeight } = cell('Q2_K', 2560);
    const assignments = plan.assignments.map((item) => ({ ...item, format: 'Q2_K', bytes, bitsPerWeight }));
    const constraints = [{ tensors: 'attn', minBits: 4 }];
    expect(proposeSwaps(around, { ...plan, assignments, constraints }, 6)).toEqual([]);
  });

  it('begin with the best plan of the size, and each is predicted to be better in as many bytes', () => {
    const [whole, ...pairs] = proposeSwaps(around, plan, 6);
    const best = makePlan(around, { kind: 'bytes', value: bytesOf(plan) });
    expect(applied(whole!).assignments.map(({ format }) => format)).toEqual(
      best.assignments.map(({ format }) => format),
    );
    for (const changes of [whole!, ...pairs]) {
      expect(bytesOf(applied(changes))).toBeLessThanOrEqual(bytesOf(plan));
      expect(divergenceBy(around, applied(changes))).toBeLessThan(divergenceBy(around, plan));
    }
  });

  it('change tensors that must agree together, and each tensor in one pair at most', () => {
    const random = new Random(7);
    const gains = Array.from({ length: 24 }, () => Math.exp(3 * random.next()));
    const group: PlanConstraint = { tensors: 'attn', agree: true };
    const shuffled = tableOf([...gains.slice(5), ...gains.slice(0, 5)]);
    const grouped = planOf(tableOf(gains), [group]);
    const [, ...pairs] = proposeSwaps(shuffled, grouped, 6);
    expect(pairs.length).toBeGreaterThan(1);
    const changed = pairs.flat().map(({ tensor }) => tensor);
    expect(new Set(changed).size).toBe(changed.length);
    for (const changes of pairs) {
      const { assignments } = withChanges(shuffled, grouped, changes)!;
      for (let i = 0; i < assignments.length; i += 2)
        expect(assignments[i]!.format).toBe(assignments[i + 1]!.format);
    }
  });

  it('do not apply to a plan whose tensor has another format by then', () => {
    const [whole] = proposeSwaps(around, plan, 1);
    expect(withChanges(before, applied(whole!), whole!)).toBeUndefined();
    const { format, bytes, bitsPerWeight, relativeSquaredError, gain } = applied(whole!).assignments[0]!;
    expect({ format, bytes, bitsPerWeight, relativeSquaredError, gain }).toEqual({
      ...{ format: whole![0]!.to, bytes: (2560 * bits[format]!) / 8, bitsPerWeight: bits[format] },
      ...{ relativeSquaredError: errors[format], gain: 1 },
    });
  });
});
