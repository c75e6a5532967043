import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import { formatReasons, planFront } from '../../../src/ampq/planFront';
import { solveBudget } from '../../../src/ampq/solve';
import type { PlanConstraint, SensitivityCell, SensitivityTable } from '../../../src/protocol/plan';
import { gainsFrom, rowWith } from '../../support/plans';
import { Random } from '../../support/random';
import { tableOf } from '../../support/tables';

const bits: Readonly<Record<string, number>> = { Q2_K: 2, Q4_K: 4, Q6_K: 6, Q8_0: 8 };

/** A table with gains, of tensors in two blocks; errors fall with the bits, not evenly. */
function randomTable(random: Random, blocks = 2): SensitivityTable {
  const names = Array.from({ length: blocks }, (_, block) =>
    ['q', 'k', 'v'].map((part) => `blk.${block}.attn_${part}.weight`),
  ).flat();
  const rows = names.map((tensor) => {
    const weights = 8 * (1 + Math.floor(20 * random.next()));
    const cells = Object.entries(bits).map(([format, width]): SensitivityCell => ({
      ...{ format, bytes: (weights * width) / 8, bitsPerWeight: width },
      relativeSquaredError: (1 + random.next()) / 4 ** width,
      ...{ sqnr: 0, maxError: 0, device: 'cpu' },
    }));
    return { ...rowWith(tensor, weights, cells), gain: random.next() };
  });
  const presets = [{ fileType: 'Q4_K_M', formats: rows.map((_, i) => (i % 3 === 2 ? 'Q6_K' : 'Q4_K')) }];
  return {
    ...{ modelHash: 'h', modelName: 'm', parameters: 0, fixedBytes: 1000, fixedParameters: 0 },
    ...{ rows, presets },
  };
}

const constraints: readonly PlanConstraint[] = [
  { tensors: 'attn_v', minBits: 4 },
  { tensors: 'blk\\.0\\.attn_q', allow: ['Q6_K'] },
  { tensors: 'attn_[qk]', agree: true },
];

describe('the front of plans', () => {
  it('consists of plans that are optimal for their size, with and without constraints', () => {
    const random = new Random(5);
    for (let instance = 0; instance < 40; instance++) {
      const table = randomTable(random);
      for (const kept of [[], constraints]) {
        const { measure, points } = planFront(table, kept);
        expect(measure).toBe('divergence');
        for (const { bytes, bitsPerWeight, loss } of points) {
          const budget = { kind: 'bits-per-weight', value: bitsPerWeight } as const;
          const { total } = solveBudget(table, budget, undefined, { constraints: kept });
          expect(total.bytes).toBe(bytes);
          expect(Math.abs(total.divergence! / loss - 1)).toBeLessThan(1e-9);
        }
        const sizes = points.map(({ bytes }) => bytes);
        expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
      }
    }
  });

  it('has the presets by the same figures, and says which tensors constraints bind', () => {
    const table = randomTable(new Random(1));
    const { presets, constrained, pinned } = planFront(table, constraints);
    const stored = table.rows.map(({ cells }, i) => cells[i % 3 === 2 ? 2 : 1]!);
    expect(presets).toEqual([
      {
        fileType: 'Q4_K_M',
        bytes: 1000 + stored.reduce((sum, { bytes }) => sum + bytes, 0),
        bitsPerWeight: expect.closeTo(
          (8 * stored.reduce((sum, { bytes }) => sum + bytes, 0)) /
            table.rows.reduce((sum, { weights }) => sum + weights, 0),
          9,
        ) as number,
        loss: expect.closeTo(
          stored.reduce((sum, cell, i) => sum + cell.relativeSquaredError * table.rows[i]!.gain!, 0),
          9,
        ) as number,
      },
    ]);
    expect(constrained).toEqual([0, 1, 2, 3, 4, 5]);
    expect(pinned).toEqual([0, 1]); // the key follows the query that is pinned
    expect(planFront(table, [])).toMatchObject({ constrained: [], pinned: [] });
  });

  it('is measured by errors and roles where gains are unknown', () => {
    const { measure, points } = planFront(tableOf({ Q4_K: 0.04, Q8_0: 0.01 }, { Q4_K: 0.02 }), []);
    expect(measure).toBe('roleError');
    expect(points.map(({ loss }) => Number(loss.toFixed(6)))).toEqual([0.03, 0.015]);
  });

  it('of 10,000 tensors is a sample with both ends', () => {
    const table = randomTable(new Random(2), 3334);
    const { points } = planFront(table, []);
    expect(points).toHaveLength(400);
    expect(points.at(0)!.bitsPerWeight).toBeCloseTo(2, 9);
    expect(points.at(-1)!.bitsPerWeight).toBeCloseTo(8, 9);
  });
});

describe('the reasons for a format', () => {
  const table = randomTable(new Random(3));
  const planOf = (value: number, kept: readonly PlanConstraint[] = []) =>
    makePlan(table, { kind: 'bits-per-weight', value }, undefined, { constraints: kept });

  it('weigh the bytes of each format at what they save elsewhere', () => {
    const { points } = planFront(table, []);
    const corner = points[Math.floor(points.length / 2)]!;
    const next = points[Math.floor(points.length / 2) + 1]!;
    const plan = planOf(corner.bitsPerWeight);
    for (const { tensor, format } of plan.assignments) {
      const reasons = formatReasons(table, plan, tensor);
      expect(reasons).toMatchObject({ tensor, format, together: [tensor], measure: 'divergence' });
      expect(reasons.price).toBeCloseTo((corner.loss - next.loss) / (next.bytes - corner.bytes), 12);
      const own = reasons.options.find((option) => option.format === format)!;
      expect(own.cost).toBe(0);
      // A plan at a corner of the front is optimal at its price, so no other format is cheaper.
      for (const option of reasons.options) {
        expect(option.cost!).toBeGreaterThanOrEqual(-1e-12);
        const added = option.loss - own.loss + reasons.price * (option.bytes - own.bytes);
        expect(option.cost).toBeCloseTo(added, 12);
      }
      const others = reasons.options.filter((option) => option !== own);
      const cheapest = others.reduce((best, option) => (option.cost! < best.cost! ? option : best));
      expect(reasons.runnerUp).toBe(cheapest.format);
    }
  });

  it('bound what the plan really loses where the tensor is pinned to another format', () => {
    const plan = planOf(4.2);
    const { tensor, options } = formatReasons(table, plan, 'blk.1.attn_v.weight');
    for (const { format, cost } of options) {
      const pin = { tensors: `^${tensor}$`, allow: [format] };
      const { total } = solveBudget(table, plan.budget, undefined, { constraints: [pin] });
      // The relaxation is below every plan; this one is above its own relaxation by at most what a corner leaves.
      expect(total.divergence! - plan.total.divergence!).toBeGreaterThan(cost! - 1e-3);
    }
  });

  it('rest on the lowest rung of the tensors that must agree', () => {
    const measured = { ...table, gainsFrom };
    const [query, ...others] = measured.rows;
    const estimated = { ...measured, rows: [{ ...query!, isEstimated: true as const }, ...others] };
    const rungOf = (of: SensitivityTable, tensor: string, kept: readonly PlanConstraint[] = []) =>
      formatReasons(of, planOf(5, kept), tensor).rung;
    expect(rungOf(measured, 'blk.0.attn_k.weight')).toBe('gains');
    expect(rungOf(estimated, 'blk.0.attn_k.weight')).toBe('gains');
    expect(rungOf(estimated, 'blk.0.attn_k.weight', constraints)).toBe('weights');
    expect(rungOf(table, 'blk.0.attn_k.weight')).toBe('weights');
  });

  it('count tensors that must agree together, and name the constraints that rule a format out', () => {
    const plan = planOf(5, constraints);
    const pinned = formatReasons(table, plan, 'blk.0.attn_k.weight');
    expect(pinned.together).toEqual(['blk.0.attn_q.weight', 'blk.0.attn_k.weight']);
    expect(pinned.isReleasable).toBe(false);
    expect(pinned.runnerUp).toBeUndefined();
    const [query, key] = table.rows;
    expect(pinned.options[1]!.bytes).toBe(query!.cells[1]!.bytes + key!.cells[1]!.bytes);
    const value = formatReasons(table, plan, 'blk.0.attn_v.weight');
    expect(value.options.map(({ format, ruledOutBy }) => [format, ruledOutBy])).toEqual([
      ['Q2_K', ['--min attn_v=4']],
      ['Q4_K', []],
      ['Q6_K', []],
      ['Q8_0', []],
    ]);
    expect(value.runnerUp).not.toBe('Q2_K');
  });

  it('are not given for a tensor that no format can be chosen for', () => {
    expect(() => formatReasons(table, planOf(4), 'norm.weight')).toThrow('No format can be chosen');
  });

  it('have no costs where the format of the plan was not measured', () => {
    const plan = planOf(4);
    const edited = { ...plan, assignments: plan.assignments.map((item) => ({ ...item, format: 'Q5_K' })) };
    const { options, runnerUp } = formatReasons(table, edited, 'blk.0.attn_v.weight');
    expect(options.map(({ cost }) => cost)).toEqual([undefined, undefined, undefined, undefined]);
    expect(runnerUp).toBeDefined();
  });
});
