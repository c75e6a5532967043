import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import { isOptimal, isWithin, leastBits, solveBudget } from '../../../src/ampq/solve';
import type { PlanConstraint, SensitivityCell, SensitivityTable } from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';
import { Random } from '../../support/random';

const bits: Readonly<Record<string, number>> = { Q2_K: 2, Q4_K: 4, Q6_K: 6 };
const formats = Object.keys(bits);
const cell = (format: string, weights: number, relativeSquaredError: number): SensitivityCell => ({
  ...{ format, bytes: (weights * bits[format]!) / 8, bitsPerWeight: bits[format]!, relativeSquaredError },
  ...{ sqnr: 0, maxError: 0, device: 'cpu' },
});

/** Six tensors of two blocks, and the output. */
function tableOf(random: Random): SensitivityTable {
  const names = [0, 1].flatMap((block) => ['q', 'k', 'v'].map((part) => `blk.${block}.attn_${part}.weight`));
  const rows = [...names, 'output.weight'].map((tensor) => {
    const weights = 8 * (1 + Math.floor(20 * random.next()));
    const cells = formats.map((format) => cell(format, weights, random.next()));
    return { ...rowWith(tensor, weights, cells), gain: random.next() };
  });
  const sizes = { parameters: 0, fixedBytes: 0, fixedParameters: 0 };
  return { modelHash: 'h', modelName: 'm', ...sizes, rows, presets: [] };
}

/** Independent of the solver: whether formats of the rows, in their order, meet a constraint. */
function meets(names: readonly string[], chosen: readonly string[], constraint: PlanConstraint): boolean {
  const own = names.flatMap((name, i) =>
    new RegExp(constraint.tensors).test(name) ? [{ name, format: chosen[i]! }] : [],
  );
  const sameIn = (block: string): boolean =>
    new Set(own.filter(({ name }) => name.startsWith(block)).map(({ format }) => format)).size <= 1;
  return (
    own.every(
      ({ format }) =>
        (constraint.allow?.includes(format) ?? true) &&
        constraint.exclude?.includes(format) !== true &&
        bits[format]! >= (constraint.minBits ?? 0),
    ) &&
    (constraint.agree !== true || ['blk.0.', 'blk.1.', 'output'].every(sameIn))
  );
}

/** The least cost of all assignments within the bytes that meet the constraints; undefined where there is none. */
function bruteForce({ rows }: SensitivityTable, limit: number, constraints: readonly PlanConstraint[]) {
  const names = rows.map(({ tensor }) => tensor);
  let best: number | undefined;
  for (let code = 0; code < formats.length ** rows.length; code++) {
    const places = rows.map((_, i) => Math.floor(code / formats.length ** i) % formats.length);
    const cells = rows.map((row, i) => row.cells[places[i]!]!);
    const bytes = cells.reduce((sum, item) => sum + item.bytes, 0);
    if (bytes > limit) continue;
    const cost = cells.reduce((sum, item, i) => sum + item.relativeSquaredError * rows[i]!.gain!, 0);
    if (best !== undefined && cost >= best) continue;
    const chosen = cells.map(({ format }) => format);
    if (constraints.every((constraint) => meets(names, chosen, constraint))) best = cost;
  }
  return best;
}

function randomConstraints(random: Random): PlanConstraint[] {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(items.length * random.next())]!;
  const tensors = (): string => pick(['attn_q', 'blk\\.1', 'attn_[qkv]', 'output', '.', 'attn_(k|v)']);
  const kinds: (() => PlanConstraint)[] = [
    () => ({ tensors: tensors(), allow: pick([['Q4_K', 'Q6_K'], ['Q2_K'], ['Q2_K', 'Q6_K']]) }),
    () => ({ tensors: tensors(), exclude: [pick(formats)] }),
    () => ({ tensors: tensors(), minBits: pick([3, 4, 5]) }),
    () => ({ tensors: tensors(), agree: true }),
  ];
  return Array.from({ length: Math.floor(4 * random.next()) }, () => pick(kinds)());
}

const tooFew = /The budget is too small|No measured format/;

describe('the solver with constraints', () => {
  it('finds what trying every assignment finds, in 2,000 random instances', () => {
    const random = new Random(3);
    let solvedOnes = 0;
    for (let instance = 0; instance < 2000; instance++) {
      const table = tableOf(random);
      const constraints = randomConstraints(random);
      const weights = table.rows.reduce((sum, row) => sum + row.weights, 0);
      const value = Math.floor((weights * (2 + 4 * random.next())) / 8);
      const best = bruteForce(table, value, constraints);
      const solve = () => solveBudget(table, { kind: 'bytes', value }, undefined, { constraints });
      if (best === undefined) {
        expect(solve).toThrow(tooFew);
        continue;
      }
      solvedOnes += 1;
      const { assignments, total, optimal } = solve();
      expect({ optimal, cost: total.divergence }).toEqual({
        optimal: true,
        cost: expect.closeTo(best, 10) as number,
      });
      const chosen = assignments.map(({ format }) => format);
      const names = assignments.map(({ tensor }) => tensor);
      expect(names).toEqual(table.rows.map(({ tensor }) => tensor));
      for (const constraint of constraints) expect(meets(names, chosen, constraint)).toBe(true);
      const plan = { assignments, budget: { kind: 'bytes', value }, constraints } as const;
      expect(isOptimal(table, plan)).toBe(true);
    }
    expect(solvedOnes).toBeGreaterThan(500);
  });
});

describe('what cannot be kept', () => {
  const table = tableOf(new Random(1));
  const solve = (value: number, ...constraints: PlanConstraint[]) =>
    solveBudget(table, { kind: 'bits-per-weight', value }, undefined, { constraints });

  it('names the constraint in the way of the budget', () => {
    const high: PlanConstraint = { tensors: 'blk', minBits: 6 };
    const idle: PlanConstraint = { tensors: 'attn_q', exclude: ['Q4_K'] };
    expect(() => solve(3, high, idle)).toThrow(
      /with the measured formats and the constraints the model takes at least \d\.\d{4} bits per weight\. Without --min blk=6 it takes at least 2\.0000 bits per weight\.$/,
    );
    const budget = { kind: 'bits-per-weight', value: 3 } as const;
    expect(isWithin(table, budget, undefined, [high])).toBe(false);
    expect(isWithin(table, budget, undefined, [idle])).toBe(true);
  });

  it('names the constraints that leave a tensor no format', () => {
    const only: PlanConstraint = { tensors: 'attn_q', allow: ['Q2_K'] };
    expect(() => solve(5, only, { tensors: 'blk.0', minBits: 4 })).toThrow(
      'No measured format of blk.0.attn_q.weight (Q2_K, Q4_K, Q6_K) meets --allow attn_q=Q2_K and --min blk.0=4. Measure other formats, or change the constraints.',
    );
    const group: PlanConstraint = { tensors: 'attn_[qk]', agree: true };
    expect(() => solve(5, only, { tensors: 'attn_k', exclude: ['Q2_K'] }, group)).toThrow(
      /^No measured format of blk\.0\.attn_q\.weight, blk\.0\.attn_k\.weight .* meets --allow attn_q=Q2_K and --group attn_\[qk\] and --exclude attn_k=Q2_K\./s,
    );
  });

  it('names a constraint that matches nothing, and a pattern that is not one', () => {
    expect(() => solve(5, { tensors: 'ffn', minBits: 4 })).toThrow(
      'The constraint --min ffn=4 does not match any tensor that a plan can choose a format for.',
    );
    expect(() => solve(5, { tensors: '(', agree: true })).toThrow(
      'The pattern of the constraint --group ( is not a regular expression.',
    );
  });
});

describe('a plan with constraints', () => {
  const table = tableOf(new Random(5));
  const budget = { kind: 'bits-per-weight', value: 4 } as const;
  const constraints: PlanConstraint[] = [
    { tensors: 'attn_[qk]', agree: true },
    { tensors: 'output', allow: ['Q6_K'] },
  ];
  const plan = makePlan(table, budget, undefined, { constraints });
  const withFormat = (tensor: string, format: string) => ({
    ...plan,
    assignments: plan.assignments.map((item) => (item.tensor === tensor ? { ...item, format } : item)),
  });

  it('carries them, and says them in a note', () => {
    expect(plan.constraints).toEqual(constraints);
    expect(plan.notes[0]).toBe(
      'The plan was solved with the constraints --group attn_[qk] --allow output=Q6_K.',
    );
    expect(makePlan(table, budget)).not.toHaveProperty('constraints');
  });

  it('is the solver’s, and no longer once it breaks one, or its constraints are others', () => {
    expect(isOptimal(table, plan)).toBe(true);
    expect(isOptimal(table, withFormat('output.weight', 'Q2_K'))).toBe(false);
    const query = plan.assignments[0]!;
    const other = formats.find((format) => format !== query.format)!;
    expect(isOptimal(table, withFormat(query.tensor, other))).toBe(false);
    for (const strange of [
      { tensors: 'ffn', minBits: 4 },
      { tensors: 'blk.0', allow: ['IQ4_XS'] },
    ])
      expect(isOptimal(table, { ...plan, constraints: [...constraints, strange] })).toBe(false);
  });

  it('groups tensors of one layer whatever the names of layers', () => {
    const rows = table.rows.map((row) => ({ ...row, tensor: row.tensor.replace('blk.', 'model.layers.') }));
    const named = { ...table, rows };
    expect(makePlan(named, budget, undefined, { constraints }).total).toEqual(plan.total);
  });

  it('takes at least the bits that the constraints ask for', () => {
    expect(leastBits(table, [])).toBe(2);
    expect(leastBits(table, [{ tensors: '.', minBits: 3 }])).toBe(4);
  });

  it('is not replaced by a preset that breaks a constraint', () => {
    const low = { ...table, presets: [{ fileType: 'any', formats: table.rows.map(() => 'Q2_K') }] };
    const found = solveBudget(low, budget, undefined, { constraints, effort: 'quick' });
    expect(found.preset!.fileType).toBe('any');
    expect(found.assignments.at(-1)!.format).toBe('Q6_K');
  });
});
