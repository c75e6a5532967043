import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import { percent, scientific } from '../../../webview/format';
import {
  influenceOf,
  influenceText,
  largestInfluence,
  summaryOf,
  tintOf,
  type Measurements,
} from '../../../webview/influence';
import { mixOf, shareOf } from '../../../webview/planMix';

type Row = Measurements['rows'][number];

const row = (gain: number | undefined, weights = 1): Row =>
  gain === undefined ? { weights } : { weights, gain };

/** Tensors measured in one format; an error of −1 was not measured. */
const measured = (...parts: readonly (readonly [row: Row, error: number])[]) => {
  const errors = Float32Array.from(parts, ([, error]) => error);
  return {
    rows: parts.map(([item]) => item),
    cells: { format: 'Q4_K', errors, maxErrors: errors.map((error) => 10 * error) },
  };
};

/** @param parts gain and error of each tensor. */
const planOf = (
  divergence: number | undefined,
  parts: Readonly<Record<string, readonly [gain: number | undefined, error: number | undefined]>>,
): Plan => ({
  ...{ version: 2, model: { name: 'm', hash: 'h', parameters: 1 }, budget: { kind: 'bytes', value: 1 } },
  total: { bytes: 1, bitsPerWeight: 4, error: 0, ...(divergence === undefined ? {} : { divergence }) },
  notes: [],
  assignments: Object.entries(parts).map(([tensor, [gain, error]]) => ({
    ...{ tensor, sources: [tensor], format: 'Q4_K', bitsPerWeight: 4, bytes: 1 },
    ...(error === undefined ? {} : { relativeSquaredError: error }),
    ...(gain === undefined ? {} : { gain }),
  })),
});

describe('the influence of a tensor', () => {
  it('is its gain times its error, where both are known', () => {
    expect(influenceOf(row(0.5), 0.25)).toBe(0.125);
    expect(influenceOf(row(undefined), 0.25)).toBeUndefined();
    expect(influenceOf(row(0.5), NaN)).toBeUndefined();
  });

  it('is written so that a column can be compared', () =>
    expect([0.00322, 0.00001, 0].map(scientific)).toEqual(['3.2e−3', '1.0e−5', '0']));

  it('is tinted on a scale over three decades below the largest', () => {
    const { rows, cells } = measured([row(0.5), 0.015625], [row(0.1), 0.02], [row(undefined), 9]);
    const other = { ...cells, errors: new Float32Array([0.0078125, -1, -1]) };
    const largest = largestInfluence({ rows, formats: [cells, other] });
    expect(largest).toBe(0.0078125);
    expect(tintOf(largest, largest)).toBe(1);
    expect(tintOf(largest / 100, largest)).toBeCloseTo(1 / 3, 12);
    expect([tintOf(1e-6, largest), tintOf(0, largest)]).toEqual([0, 0]);
  });
});

describe('influences in words', () => {
  it('are numbers down to the noise of the measurement only', () => {
    expect([3.2e-3, 1e-9, 9.9e-10, 7.5e-20].map((value) => influenceText(value, 1e-9))).toEqual([
      '3.2e−3',
      '1.0e−9',
      '< noise',
      '< noise',
    ]);
  });

  it('say that a tensor without error has none, and what is not a number', () => {
    expect([0, Infinity, NaN].map((value) => influenceText(value, 1e-9))).toEqual(['0', '∞', 'not defined']);
    expect(influenceOf(row(Infinity), 0)).toBe(0);
  });
});

describe('the summary of several rows', () => {
  const { rows, cells } = measured(
    [row(0.5), 0.0625],
    [row(0.1, 3), 0.0078125],
    [row(0.2), -1],
    [row(undefined), 0.04],
  );
  const summary = (...members: number[]) => summaryOf(rows, cells, members);

  it('weights errors by the number of weights and adds influences up', () => {
    const both = summary(0, 1);
    expect([both.measured, both.maxError]).toEqual([2, 0.625]);
    expect(both.error).toBeCloseTo((0.0625 + 3 * 0.0078125) / 4, 12);
    expect(both.influence).toBeCloseTo(0.5 * 0.0625 + 0.1 * 0.0078125, 12);
  });

  it('skips what was not measured, and gives no influence where a gain is missing', () => {
    expect(summary(0, 2)).toEqual(summary(0));
    expect(summary(0, 3).influence).toBeUndefined();
    expect(summary(2)).toEqual({ measured: 0, error: NaN, influence: undefined, maxError: NaN });
  });

  it('accepts errors that are infinite or not defined', () => {
    const broken = measured([row(1), Infinity], [row(1), NaN]);
    const of = (member: number) => summaryOf(broken.rows, broken.cells, [member]);
    expect(of(0)).toMatchObject({ error: Infinity, influence: Infinity });
    expect(of(1)).toMatchObject({ error: NaN, influence: undefined });
    expect(largestInfluence({ rows: broken.rows, formats: [broken.cells] })).toBe(0);
  });
});

describe('the mix of formats in a part of a plan', () => {
  it('adds sizes up and counts formats, the smallest first', () => {
    const at = (format: string, bitsPerWeight: number, weights: number, relativeSquaredError: number) => ({
      ...{ tensor: format, sources: [format], format, bitsPerWeight, relativeSquaredError },
      bytes: (weights * bitsPerWeight) / 8,
    });
    const mix = mixOf([at('Q8_0', 8.5, 64, 0.001), at('Q4_K', 4.5, 192, 0.01), at('Q8_0', 8.5, 64, 0.002)]);
    expect(mix).toMatchObject({ bytes: 244, bitsPerWeight: 6.1 });
    expect(mix.error).toBeCloseTo((0.001 * 64 + 0.01 * 192 + 0.002 * 64) / 320, 12);
    expect(mix.formats.map(({ format, tensors }) => [format, tensors])).toEqual([
      ['Q4_K', 1],
      ['Q8_0', 2],
    ]);
  });
});

describe('shares of the predicted divergence', () => {
  it('are those of the formats in the plan', () => {
    const share = shareOf(planOf(0.02, { a: [0.5, 0.03], b: [0.1, 0.05], lossless: [undefined, 0] }))!;
    expect(share([0])).toBeCloseTo(0.75, 12);
    expect(share([1])).toBeCloseTo(0.25, 12);
    expect(share([0, 1, 2])).toBeCloseTo(1, 12);
    expect(share([2])).toBe(0);
  });

  it('are absent for a plan without them', () => {
    expect(shareOf(planOf(undefined, { a: [0.5, 0.03] }))).toBeUndefined();
    expect(shareOf(planOf(0, { a: [0.5, 0] }))).toBeUndefined();
    expect(shareOf(planOf(0.02, { a: [undefined, 0.03] }))!([0])).toBeNaN();
    expect(mixOf(planOf(0.02, { a: [0.5, undefined] }).assignments).error).toBeNaN();
  });

  it('are written with as many digits as are significant', () =>
    expect([0.747, 0.0421, 0.0004, 0].map(percent)).toEqual(['75 %', '4.2 %', '< 0.1 %', '0.0 %']));
});
