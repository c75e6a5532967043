import { describe, expect, it } from 'vitest';
import { withFewBits } from '../../../src/ampq/fewBitsGains';
import { withGains, type MeasuredDivergences } from '../../../src/ampq/gains';
import { makePlan, parsePlan, printPlan } from '../../../src/ampq/planFile';
import { planFront } from '../../../src/ampq/planFront';
import { parseJson } from '../../../src/model/json';
import { measuredWithText } from '../../../src/protocol/measuredWith';
import { fewBits, solveByBits, tableFor } from '../../../src/protocol/fewBits';
import type { SensitivityCell, SensitivityTable } from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';

const bits: Readonly<Record<string, number>> = { Q2_K: 2.625, Q4_K: 4.5, Q6_K: 6.5625 };

/** Two tensors with the same errors. */
const bare: SensitivityTable = {
  ...{ modelHash: 'h', modelName: 'm', parameters: 512, fixedBytes: 0, fixedParameters: 0 },
  presets: [
    { fileType: 'Q2_K', formats: ['Q2_K', 'Q2_K'] },
    { fileType: 'Q6_K', formats: ['Q6_K', 'Q6_K'] },
  ],
  rows: ['a', 'b'].map((tensor) => {
    const cells = Object.entries({ Q2_K: 0.08, Q4_K: 0.005, Q6_K: 0.0003 }).map(
      ([format, relativeSquaredError]): SensitivityCell => ({
        ...{ format, bytes: 32 * bits[format]!, bitsPerWeight: bits[format]!, relativeSquaredError },
        ...{ sqnr: 0, maxError: 0, device: 'cpu' },
      }),
    );
    return rowWith(tensor, 256, cells);
  }),
};

/** What a pass over the text found in a format: divergences of the two tensors. */
const measured = (format: string, error: number, [a, b]: readonly [number, number], hash = 'h') =>
  ({
    text: { path: '/t.txt', hash, tokens: 512, context: 256 },
    ...{ noise: 1e-9, loss: 3, chance: 7 },
    tensors: { a: { format, error, divergence: a }, b: { format, error, divergence: b } },
  }) satisfies MeasuredDivergences;

/** By the usual gains b matters more, at few bits a. */
const usual = withGains(bare, measured('Q4_K', 0.005, [0.001, 0.002]));
const few = measured('Q2_K', 0.08, [0.08, 0.04]);
const both = withFewBits(usual, few);
const budget = (value: number) => ({ kind: 'bits-per-weight', value }) as const;
const solved = (table: SensitivityTable, value: number) =>
  solveByBits(
    table,
    (one) => makePlan(one, budget(value)),
    ({ total }) => total.bitsPerWeight,
  );
const formatsOf = ({ assignments }: ReturnType<typeof makePlan>) => assignments.map(({ format }) => format);

describe('gains for plans of few bits', () => {
  it('take the place of the usual ones below 3.7 bits per weight, as the plan comes out', () => {
    expect(both.rows).toEqual(usual.rows);
    expect(tableFor(both, fewBits).rows.map(({ gain }) => gain)).toEqual([0.2, 0.4]);
    expect(tableFor(both, 3.69).rows.map(({ gain }) => gain)).toEqual([1, 0.5]);
    expect(tableFor(both, 3).rows[0]!.measured).toEqual({ format: 'Q2_K', error: 0.08, divergence: 0.08 });
    expect(tableFor(both, 3)).toBe(tableFor(both, 2));
    const mixed = (2.625 + 4.5) / 2;
    expect(formatsOf(solved(usual, mixed))).toEqual(['Q2_K', 'Q4_K']);
    expect(formatsOf(solved(both, mixed))).toEqual(['Q4_K', 'Q2_K']);
    // A budget of more bits that only such a plan keeps to.
    expect(formatsOf(solved(both, 4.4))).toEqual(['Q4_K', 'Q2_K']);
    expect(formatsOf(solved(both, 5.6))).toEqual(['Q4_K', 'Q6_K']);
  });

  it('are named by plans that they were used for', () => {
    const plans = [3, 5].map((value) => solved(both, value));
    expect(plans.map(({ gains }) => gains?.fewBits)).toEqual([true, undefined]);
    const read = plans.map((plan) => parsePlan(parseJson(printPlan(plan)), 'p.ampq.json'));
    expect(read.map(({ gains }) => gains)).toEqual(plans.map(({ gains }) => gains));
    expect(measuredWithText(read[0]!)).toBe('gains over 512 tokens of t.txt, in Q2_K');
    const edited = printPlan(plans[0]!).replace('"fewBits": true', '"fewBits": 1');
    expect(() => parsePlan(parseJson(edited), 'p.ampq.json')).toThrow(
      '$.gains.fewBits must be true or absent',
    );
  });

  it('go only with gains that were measured in the same way over the same text', () => {
    expect(withFewBits(usual, undefined)).toBe(usual);
    expect(withFewBits(usual, measured('Q2_K', 0.08, [1, 1], 'other'))).toBe(usual);
    expect(withFewBits(bare, few)).toBe(bare);
    expect(withFewBits(usual, { ...few, by: 'curvature' })).toBe(usual);
    const curved = withGains(bare, { ...measured('Q4_K', 0.005, [1, 2]), by: 'curvature' });
    expect(withFewBits(curved, few)).toBe(curved);
    expect(tableFor(usual, 2)).toBe(usual);
  });

  it('give the front its points of few bits, and the presets of such sizes theirs', () => {
    const [front, own] = [planFront(both, []), planFront(usual, [])];
    const losses = (of: typeof front) => of.points.map((point) => [point.bitsPerWeight, point.loss]);
    expect(losses(front)[0]).toEqual([2.625, expect.closeTo(0.08 * 1.5, 12)]);
    expect(losses(own)[0]).toEqual([2.625, expect.closeTo(0.08 * 0.6, 12)]);
    expect(losses(front).slice(-2)).toEqual(losses(own).slice(-2));
    expect(front.presets.map(({ loss }) => loss)).toEqual([
      expect.closeTo(0.12, 12),
      expect.closeTo(0.0003 * 0.6, 12),
    ]);
  });
});
