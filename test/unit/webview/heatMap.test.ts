import { describe, expect, it } from 'vitest';
import { cellSpan, spanText } from '../../../webview/charts/cells';
import { heatScales } from '../../../src/protocol/heatScale';

describe('cells of a heat map', () => {
  it('are named by whole rows and columns', () => {
    expect(spanText('row', cellSpan(56, 8, 0, 1024))).toBe('rows 448–455');
    expect(spanText('row', cellSpan(127, 8, 0, 1020))).toBe('rows 1016–1019');
    expect(spanText('column', cellSpan(3, 1, 40, 10))).toBe('column 43');
  });

  it('that begin between weights are named by all that they touch', () =>
    expect([0, 1].map((index) => cellSpan(index, 1.5, 0, 3))).toEqual([
      [0, 1],
      [1, 2],
    ]));
});

describe('the scale of a heat map', () => {
  const luminance = (color: string): number => {
    const [red, green, blue] = [1, 3, 5]
      .map((at) => parseInt(color.slice(at, at + 2), 16) / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  it.each([
    ['dark', 1],
    ['light', -1],
  ] as const)('is monotonic in lightness in %s themes', (theme, direction) => {
    const steps = heatScales[theme].map(luminance);
    for (let i = 1; i < steps.length; i++)
      expect(direction * (steps[i]! - steps[i - 1]!)).toBeGreaterThan(0.01);
  });
});
