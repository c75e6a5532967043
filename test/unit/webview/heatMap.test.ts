import { describe, expect, it } from 'vitest';
import { cellSpan, spanText } from '../../../webview/charts/cells';
import { heatScales } from '../../../webview/charts/heatScale';
import { isWhole, moved, regionOf, scaled, wholeOf } from '../../../webview/charts/zoom';

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

describe('zooming', () => {
  const extent = { rows: 100, columns: 10 };
  const whole = wholeOf(extent);

  it('zooms to the weights that a rectangle touches', () => {
    expect(regionOf({ x: [2.6, 4.2], y: [20.4, 10.6] }, whole, extent)).toEqual({
      ...{ firstRow: 11, rows: 10, firstColumn: 3, columns: 2 },
    });
    expect(regionOf({ x: [2.9, 3.1] }, whole, extent)).toEqual({
      ...{ firstRow: 0, rows: 100, firstColumn: 3, columns: 1 },
    });
    expect(regionOf({ x: [-5, 50], y: [-5, 500] }, whole, extent)).toEqual(whole);
  });

  it('halves and doubles about the middle and stays inside', () => {
    const half = scaled(whole, 0.5, extent);
    expect(half).toEqual({ firstRow: 25, rows: 50, firstColumn: 3, columns: 5 });
    expect(isWhole(scaled(half, 2, extent), extent)).toBe(true);
    let least = whole;
    for (let i = 0; i < 10; i++) least = scaled(least, 0.5, extent);
    expect([least.rows, least.columns]).toEqual([1, 1]);
  });

  it('moves by a share and stops at the edges', () => {
    const region = { firstRow: 90, rows: 8, firstColumn: 0, columns: 4 };
    expect(moved(region, { down: 0.25 }, extent).firstRow).toBe(92);
    expect(moved(region, { down: 1 }, extent).firstRow).toBe(92);
    expect(moved(region, { right: -0.25 }, extent).firstColumn).toBe(0);
  });
});
