import { describe, expect, it } from 'vitest';
import { PlanSize, rangeText, typedBudget } from '../../../webview/budgetText';

/** 8 billion weights in 4.5 bits, and 0.5 GB that no format is chosen for. */
const assignments = [3e9, 1.5e9].map((bytes, i) => ({
  ...{ tensor: `t${i}`, sources: [`t${i}`], format: 'Q4_K', bitsPerWeight: 4.5, bytes },
}));
const sizes = new PlanSize({ total: { bytes: 5e9, bitsPerWeight: 4.5 }, assignments });
const range = { min: 2.63, max: 16 };

describe('a budget that is typed', () => {
  it.each([
    ['4.85', 4.85],
    [' 5 ', 5],
    ['5.', 5],
    ['4.5 bpw', 4.5],
    ['6 GB', 5.5],
    ['6GB', 5.5],
    ['6.5e9', undefined],
    ['5.5 GiB', (8 * (5.5 * 1024 ** 3 - 5e8)) / 8e9],
    ['40 GB', 16], // more than the largest plan needs
    ['3.13 GB', 2.63], // as the text with the range rounds it
    ['3 GB', undefined],
    ['2.5', undefined],
    ['17', undefined],
    ['6 G', undefined],
    ['', undefined],
    ['many', undefined],
  ])('"%s" is %d bits per weight', (text, bits) => {
    const typed = typedBudget(text, range, sizes);
    if (bits === undefined) expect(typed).toBeUndefined();
    else expect(typed).toBeCloseTo(bits, 9);
  });

  it('is only a number of bits while there is no plan', () => {
    expect(typedBudget('6 GB', range)).toBeUndefined();
    expect(typedBudget('6', range)).toBe(6);
    expect(rangeText(range)).toBe('2.63 to 16.00 bits per weight');
  });

  it('has a range in bits and in sizes', () => {
    expect(rangeText(range, sizes)).toBe(
      '2.63 to 16.00 bits per weight, or 3.13 GB to 16.50 GB of tensor data',
    );
  });
});
