import { describe, expect, it } from 'vitest';
import { divergenceWithin, missedTargets } from '../../../src/protocol/targets';

const spread = { percentile99: 5, topChanged: 0.8 };

describe('targets of a plan', () => {
  it.each([
    [{ mean: 0.001 }, 0.001],
    [{ percentile99: 0.01 }, 0.002],
    [{ sameTopToken: 0.96 }, 0.0025],
    [{ mean: 0.003, percentile99: 0.02, sameTopToken: 0.96 }, 0.0025],
  ])('are a mean divergence by the measured spread: %j', (targets, divergence) =>
    expect(divergenceWithin(targets, spread)).toBeCloseTo(divergence, 12),
  );

  it('are missed where the measured figures are beyond them', () => {
    const measured = {
      ...{ mean: { value: 0.001, standardError: 1e-5 }, median: 0.0005 },
      ...{ percentile99: 0.0066, sameTopToken: 0.972 },
    };
    expect(missedTargets({ mean: 0.001, percentile99: 0.0066, sameTopToken: 0.972 }, measured)).toEqual([]);
    expect(missedTargets({ sameTopToken: 0.975 }, measured)).toEqual([
      'the share of tokens with the same most probable token is 97.2 %, not 97.5 %',
    ]);
    expect(missedTargets({ mean: 0.0009, percentile99: 0.006 }, measured)).toEqual([
      'the mean KL divergence is 0.001, not 0.0009',
      'its 99 % quantile is 0.0066, not 0.006',
    ]);
  });
});
