import { expect, it } from 'vitest';
import { histogramWords } from '../../../webview/charts/words';

it('a histogram is told in a sentence', () => {
  expect(histogramWords({ min: -1, max: 1, counts: [1, 998, 1, 0] }, 'a.weight')).toBe(
    'Histogram of a.weight: 1,000 values from −1.000 to 1.000, most of them between −0.5000 and 0.',
  );
  expect(histogramWords({ min: 2, max: 2, counts: [1] }, 'a')).toMatch(
    /^Histogram of a: 1 value from 2.000 to 2.000,/,
  );
  expect(histogramWords({ min: 0, max: 0, counts: [] }, 'a')).toBe('Histogram of a: no values.');
});
