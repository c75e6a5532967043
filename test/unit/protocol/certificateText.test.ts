import { describe, expect, it } from 'vitest';
import type { Improvement } from '../../../src/protocol/certificate';
import { certifyEstimateText, finalChanges, improvementText } from '../../../src/protocol/certificateText';

const difference = { value: -2e-4, low: -3e-4, high: -1e-4 };
const swap = (tensor: string, from: string, to: string): Improvement['swaps'][number] => ({
  changes: [{ tensor, from, to }],
  difference,
});
const none: Improvement = { windows: 8, tried: 0, swaps: [], isAdopted: false };

describe('what swaps did', () => {
  it.each<[string, Improvement]>([
    ['Nothing gained by swaps: none is predicted to be better.', none],
    [
      'Nothing gained by swaps: 3 swaps measured over 8 other windows, none is shown to be better.',
      { ...none, tried: 3 },
    ],
    [
      'Nothing gained by swaps: of 3 swaps measured over 8 other windows, 1 looked better, but on the windows of the table the difference is −0.0002 (−0.0003 to −0.0001) nats per token.',
      { ...none, tried: 3, swaps: [swap('a', 'Q4_K', 'Q5_K')], difference },
    ],
    [
      'Improved by 1 of 1 swap measured over 8 other windows: on the windows of the table the difference is −0.0002 (−0.0003 to −0.0001) nats per token.',
      { ...none, tried: 1, swaps: [swap('a', 'Q4_K', 'Q5_K')], difference, isAdopted: true },
    ],
  ])('reads: %s', (text, improvement) => {
    expect(improvementText(improvement)).toBe(text);
  });

  it('is one change for each tensor, and none for one that has its first format again', () => {
    const swaps = [
      swap('a', 'Q4_K', 'Q5_K'),
      swap('b', 'Q4_K', 'Q3_K'),
      swap('a', 'Q5_K', 'Q6_K'),
      swap('b', 'Q3_K', 'Q4_K'),
    ];
    expect(finalChanges({ swaps })).toEqual([{ tensor: 'a', from: 'Q4_K', to: 'Q6_K' }]);
  });
});

describe('what measuring a plan would take', () => {
  it('is told with what improving it adds', () => {
    const estimate = { windows: 48, compared: 4, seconds: 30 };
    const measured = 'The plan and 4 others are measured over 48 windows: about 30 s.';
    expect(certifyEstimateText(estimate)).toBe(measured);
    expect(
      certifyEstimateText({ ...estimate, improvement: { swaps: 18, seconds: 20, mostSeconds: 300 } }),
    ).toBe(
      `${measured} Improving the plan adds between 20 s where no swap is proposed and 5 min for 18 swaps.`,
    );
  });
});
