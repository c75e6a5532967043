import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import type { PlanFront } from '../../../src/protocol/planFront';
import {
  bitsOfSizes,
  frontScale,
  measuredPoints,
  shareOfLoss,
  shareOfSize,
  sizeAt,
} from '../../../webview/frontScale';

const point = (bytes: number, loss: number) => ({ bytes, loss, bitsPerWeight: (8 * (bytes - 100)) / 800 });
const front: PlanFront = {
  measure: 'divergence',
  points: [point(300, 1e-1), point(500, 1e-3), point(700, 1e-5), point(900, 1e-9), point(1700, 0)],
  presets: [
    { fileType: 'Q3_K_M', ...point(400, 2e-2) },
    { fileType: 'Q6_K', ...point(700, 4e-5) },
    { fileType: 'BF16', ...point(1700, 1e-12) },
  ],
  ...{ constrained: [], pinned: [] },
};

describe('the scale of the front', () => {
  it('reaches a little below the best preset, whatever the best plans of large sizes lose', () => {
    const scale = frontScale(front)!;
    // From the smallest plan to the first that loses less than a fifth of what Q6_K does, and 4 % of room.
    expect(scale.sizes).toEqual([expect.closeTo(276, 9), expect.closeTo(924, 9)]);
    expect(scale.losses[0]).toBeLessThan(8e-6);
    expect(scale.losses[0]).toBeGreaterThan(1e-6);
    expect(scale.losses[1]).toBeGreaterThan(1e-1);
  });

  it('places sizes evenly and losses by their logarithms', () => {
    const scale = frontScale(front)!;
    expect(shareOfSize(scale, 276)).toBeCloseTo(0, 9);
    expect(shareOfSize(scale, 600)).toBeCloseTo(0.5, 9);
    expect(sizeAt(scale, shareOfSize(scale, 555))).toBeCloseTo(555, 9);
    const decade = shareOfLoss(scale, 1e-3) - shareOfLoss(scale, 1e-2);
    expect(shareOfLoss(scale, 1e-4) - shareOfLoss(scale, 1e-3)).toBeCloseTo(decade, 9);
    expect(decade).toBeGreaterThan(0);
    expect(shareOfLoss(scale, 0)).toBe(1); // at the lower edge
  });

  it('is none where nothing is lost, and has a place for a plan without loss among others', () => {
    expect(frontScale({ points: [point(300, 0)], presets: [] })).toBeUndefined();
    const scale = frontScale({ points: [point(300, 1), point(400, 0)], presets: [] })!;
    expect(scale.losses[0]).toBeGreaterThan(0);
    expect(shareOfSize(scale, 400)).toBeLessThan(1);
  });

  it('tells bits from bytes, unless there is but one size', () => {
    const sizes = bitsOfSizes(front)!;
    expect(sizes.bitsAt(500)).toBeCloseTo(4, 9);
    expect(sizes.bytesAt(8)).toBeCloseTo(900, 9);
    expect(bitsOfSizes({ points: [point(300, 1)] })).toBeUndefined();
  });
});

describe('what was measured', () => {
  const joint = (value: number) => ({
    ...{ mean: { value, standardError: 1e-4 }, median: value, percentile99: value, sameTopToken: 0.9 },
  });
  const rival = { codes: 'reference', difference: { value: 0, low: 0, high: 0 } } as const;
  const plan = {
    total: { bytes: 650 },
    certificate: {
      text: { windows: 8 },
      measured: joint(1e-3),
      rivals: [
        { ...rival, kind: 'preset', name: 'Q6_K', fileBytes: 800, measured: joint(2e-3) },
        {
          ...rival,
          kind: 'preset',
          name: 'Q6_K',
          codes: 'optimised',
          fileBytes: 800,
          measured: joint(15e-4),
        },
        { ...rival, kind: 'preset', name: 'Q2_K', fileBytes: 350, measured: joint(4e-2) },
        { ...rival, kind: 'random', name: 'random', fileBytes: 800, measured: joint(3e-3) },
      ],
    },
  } as unknown as Plan;

  it('lies at the sizes that the chart has, with 95 % intervals', () => {
    const half = 2.3646e-4; // of Student's distribution with 7 degrees of freedom
    expect(measuredPoints(plan, front)).toEqual([
      {
        kind: 'plan',
        name: 'this plan',
        bytes: 650,
        loss: 1e-3,
        halfWidth: expect.closeTo(half, 6) as number,
      },
      { kind: 'preset', name: 'Q6_K', bytes: 700, loss: 2e-3, halfWidth: expect.closeTo(half, 6) as number },
      {
        ...{ kind: 'preset', name: 'Q6_K, optimised codes', bytes: 700, loss: 15e-4 },
        halfWidth: expect.closeTo(half, 6) as number,
      },
      { kind: 'preset', name: 'Q2_K', bytes: 350, loss: 4e-2, halfWidth: expect.closeTo(half, 6) as number },
      {
        kind: 'random',
        name: 'random',
        bytes: 650,
        loss: 3e-3,
        halfWidth: expect.closeTo(half, 6) as number,
      },
    ]);
    expect(measuredPoints(plan, { ...front, measure: 'roleError' })).toEqual([]);
  });
});
