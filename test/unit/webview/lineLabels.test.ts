import { expect, it } from 'vitest';
import { namedLines } from '../../../webview/charts/lineLabels';

it('names the strongest lines, and others where there is room between them', () => {
  const lines = [451, 454, 269, 37, 57, 120].map((index, i) => ({
    index,
    absMax: 1 - i / 10,
    score: 10 - i,
  }));
  expect(namedLines(lines, 512).map(({ index }) => index)).toEqual([451, 269, 37, 120]);
  expect(namedLines([], 512)).toEqual([]);
});
