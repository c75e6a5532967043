import { describe, expect, it } from 'vitest';
import type { Plan, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { percent, scientific } from '../../../webview/format';
import { influenceOf, influenceText, largestInfluence, summaryOf, tintOf } from '../../../webview/influence';
import { mixOf, shareOf } from '../../../webview/planMix';

const row = (tensor: string, gain: number | undefined, ...errors: number[]): SensitivityRow => ({
  ...{
    tensor,
    sources: [tensor],
    shape: [1, 1],
    weights: 1,
    lossless: { format: 'F32', bytes: 4 },
    roleFactor: 1,
  },
  ...(gain === undefined ? {} : { gain }),
  cells: errors.map((relativeSquaredError) => ({
    ...{ format: 'Q4_K', bytes: 1, bitsPerWeight: 4, relativeSquaredError },
    ...{ sqnr: 0, maxError: 0, device: 'cpu' },
  })),
});

const tableOf = (...rows: SensitivityRow[]): SensitivityTable => ({
  ...{ modelHash: 'h', modelPath: '/m', parameters: 1, fixedBytes: 0, fixedParameters: 0 },
  ...{ rows, presets: [] },
});

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
    expect(influenceOf(row('a', 0.5), 0.25)).toBe(0.125);
    expect(influenceOf(row('a', undefined), 0.25)).toBeUndefined();
    expect(influenceOf(row('a', 0.5), NaN)).toBeUndefined();
  });

  it('is written so that a column can be compared', () =>
    expect([0.00322, 0.00001, 0].map(scientific)).toEqual(['3.2e−3', '1.0e−5', '0']));

  it('is tinted on a scale of three decades below the largest', () => {
    const largest = largestInfluence(
      tableOf(row('a', 0.5, 0.02, 0.01), row('b', 0.1, 0.02), row('c', undefined, 9)),
    );
    expect(largest).toBe(0.01);
    expect(tintOf(0.01, largest)).toBe(1);
    expect(tintOf(0.0001, largest)).toBeCloseTo(1 / 3, 12);
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
    expect(influenceOf(row('a', Infinity), 0)).toBe(0);
  });
});

describe('the summary of several rows', () => {
  const heavy = { ...row('b', 0.1, 0.01), weights: 3 };
  const table = tableOf(row('a', 0.5, 0.05), heavy, row('c', 0.2), row('d', undefined, 0.04));

  it('weighs errors by weights and adds influences up', () => {
    const summary = summaryOf(table, [0, 1], 'Q4_K');
    expect(summary.measured).toBe(2);
    expect(summary.error).toBeCloseTo(0.02, 12);
    expect(summary.influence).toBeCloseTo(0.026, 12);
  });

  it('passes over what was not measured, and knows no influence where a gain is missing', () => {
    expect(summaryOf(table, [0, 2], 'Q4_K')).toEqual(summaryOf(table, [0], 'Q4_K'));
    expect(summaryOf(table, [0, 3], 'Q4_K').influence).toBeUndefined();
    expect(summaryOf(table, [0], 'Q8_0')).toEqual({
      measured: 0,
      error: NaN,
      influence: undefined,
      maxError: NaN,
    });
  });

  it('is made of errors that are infinite or not defined without failing', () => {
    const broken = tableOf(row('a', 1, Infinity), row('b', 1, NaN));
    expect(summaryOf(broken, [0], 'Q4_K')).toMatchObject({ error: Infinity, influence: Infinity });
    expect(summaryOf(broken, [1], 'Q4_K')).toMatchObject({ error: NaN, influence: undefined });
    expect(largestInfluence(broken)).toBe(0);
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

  it('are not there for a plan that does not know them', () => {
    expect(shareOf(planOf(undefined, { a: [0.5, 0.03] }))).toBeUndefined();
    expect(shareOf(planOf(0, { a: [0.5, 0] }))).toBeUndefined();
    expect(shareOf(planOf(0.02, { a: [undefined, 0.03] }))!([0])).toBeNaN();
    expect(mixOf(planOf(0.02, { a: [0.5, undefined] }).assignments).error).toBeNaN();
  });

  it('are written with as many digits as they deserve', () =>
    expect([0.747, 0.0421, 0.0004, 0].map(percent)).toEqual(['75 %', '4.2 %', '< 0.1 %', '0.0 %']));
});
