import { describe, expect, it } from 'vitest';
import type { Plan, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { percent, scientific } from '../../../webview/format';
import { influenceOf, largestInfluence, sharesOf, tintOf } from '../../../webview/influence';

const row = (tensor: string, gain: number | undefined, ...errors: number[]): SensitivityRow => ({
  ...{ tensor, sources: [tensor], shape: [1, 1], weights: 1, lossless: { format: 'F32', bytes: 4 } },
  ...(gain === undefined ? {} : { gain }),
  cells: errors.map((relativeSquaredError) => ({
    ...{ format: 'Q4_K', bytes: 1, bitsPerWeight: 4, relativeSquaredError },
    ...{ sqnr: 0, maxError: 0, device: 'cpu' },
  })),
});

const tableOf = (...rows: SensitivityRow[]): SensitivityTable => ({
  ...{ modelHash: 'h', modelPath: '/m', parameters: 1, fixedBytes: 0, fixedParameters: 0 },
  rows,
});

const planOf = (divergence: number | undefined, errors: Readonly<Record<string, number>>): Plan => ({
  ...{ version: 2, model: { name: 'm', hash: 'h', parameters: 1 }, budget: { kind: 'bytes', value: 1 } },
  total: { bytes: 1, bitsPerWeight: 4, error: 0, ...(divergence === undefined ? {} : { divergence }) },
  assignments: Object.entries(errors).map(([tensor, relativeSquaredError]) => ({
    ...{ tensor, sources: [tensor], format: 'Q4_K', bitsPerWeight: 4, bytes: 1, relativeSquaredError },
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

describe('shares of the divergence to expect', () => {
  const table = tableOf(row('a', 0.5), row('b', 0.1));

  it('are those of the formats in the plan', () => {
    const shares = sharesOf(planOf(0.02, { a: 0.03, b: 0.05 }), table)!;
    expect(shares.get('a')).toBeCloseTo(0.75, 12);
    expect(shares.get('b')).toBeCloseTo(0.25, 12);
  });

  it('are not there for a plan or a table that does not know them', () => {
    const errors = { a: 0.03, b: 0.05 };
    expect(sharesOf(planOf(undefined, errors), table)).toBeUndefined();
    expect(sharesOf(planOf(0.02, errors), undefined)).toBeUndefined();
    expect(sharesOf(planOf(0.02, errors), tableOf(row('a', 0.5), row('b', undefined)))).toBeUndefined();
    expect(sharesOf(planOf(0, { a: 0, b: 0 }), table)).toBeUndefined();
  });

  it('are written with as many digits as they deserve', () =>
    expect([0.747, 0.0421, 0.0004, 0].map(percent)).toEqual(['75 %', '4.2 %', '< 0.1 %', '0.0 %']));
});
