import { describe, expect, it } from 'vitest';
import type { PresetPoint } from '../../../src/protocol/planFront';
import { boxAround, labelPlaces, nameBox, type Box, type Labelled } from '../../../webview/charts/labels';
import { frontHeight, frontMargin, frontNames } from '../../../webview/frontNames';
import { frontScale, shareOfLoss, shareOfSize } from '../../../webview/frontScale';
import { Random } from '../../support/random';

const area: Box = { left: 0, top: 0, right: 400, bottom: 300 };
const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Boxes of the names that were placed. */
const boxesOf = (points: readonly Labelled[], places: ReturnType<typeof labelPlaces>): Box[] =>
  points.flatMap((point, i) => (places[i] ? [nameBox(point, places[i])] : []));

function expectApart(boxes: readonly Box[]): void {
  for (const [i, box] of boxes.entries())
    for (const other of boxes.slice(i + 1)) expect(overlap(box, other)).toBe(false);
}

describe('names of marks', () => {
  it('stand beside their marks where there is room', () => {
    const places = labelPlaces([{ x: 200, y: 150, text: 'Q6_K' }], area);
    expect(places).toEqual([{ dx: expect.closeTo(14.4, 9) as number, dy: -8, isFar: false }]);
    // At the right edge on the other side.
    expect(labelPlaces([{ x: 395, y: 150, text: 'Q8_0' }], area)[0]!.dx).toBeLessThan(0);
  });

  it('cover neither each other nor a mark, and are led to theirs from farther away', () => {
    const random = new Random(7);
    for (const count of [4, 8, 12]) {
      const points = Array.from({ length: count }, (_, i) => ({
        ...{ x: 140 + 120 * random.next(), y: 100 + 90 * random.next(), text: `IQ${i}_XXS` },
      }));
      const places = labelPlaces(points, area);
      const boxes = boxesOf(points, places);
      expect(boxes).toHaveLength(count);
      expectApart(boxes);
      for (const [i, { x, y }] of points.entries())
        for (const [j, box] of boxes.entries())
          if (i !== j) expect(overlap(box, boxAround(x, y, 10, 10))).toBe(false);
    }
  });

  it('are not led through the mark of another', () => {
    const points = [
      { x: 200, y: 150, text: 'Q4_K_S' },
      { x: 208, y: 152, text: 'Q4_K_M' },
    ];
    const walls = [boxAround(200, 110, 300, 60), boxAround(200, 190, 300, 60), boxAround(120, 150, 100, 60)];
    const [first] = labelPlaces(points, area, { marks: walls, lines: [] });
    expect(first).toBeUndefined();
  });

  it('are left out where there is no room, and avoid lines where they can', () => {
    const full = [boxAround(200, 150, 400, 300)];
    expect(labelPlaces([{ x: 200, y: 150, text: 'F16' }], area, { marks: full, lines: [] })).toEqual([
      undefined,
    ]);
    const [aside] = labelPlaces([{ x: 200, y: 150, text: 'F16' }], area, {
      ...{ marks: [], lines: [boxAround(230, 140, 60, 18)] },
    });
    expect([aside!.dx < 0, aside!.isFar]).toEqual([true, false]);
    const [anyway] = labelPlaces([{ x: 200, y: 150, text: 'F16' }], area, { marks: [], lines: full });
    expect(anyway!.isFar).toBe(false);
  });
});

describe('names of presets in the chart of plans', () => {
  /** Sizes (bytes) and divergences of presets of the sample; some lie close together. */
  const presets = (
    [
      ['Q2_K', 2.04e6, 1.9e-2],
      ['Q3_K_S', 2.37e6, 7.6e-3],
      ['Q3_K_M', 2.62e6, 4.9e-3],
      ['Q3_K_L', 2.83e6, 4.3e-3],
      ['IQ4_XS', 2.88e6, 2.1e-3],
      ['Q4_0', 3.04e6, 2.5e-3],
      ['Q4_K_S', 3.05e6, 1.72e-3],
      ['Q4_K_M', 3.15e6, 1.59e-3],
      ['Q5_K_S', 3.66e6, 5.4e-4],
      ['Q5_K_M', 3.72e6, 5e-4],
      ['Q6_K', 4.31e6, 2.1e-4],
      ['Q8_0', 5.58e6, 1.9e-5],
      ['MXFP4_MOE', 5.58e6, 1.9e-5],
    ] as const
  ).map(([fileType, bytes, loss]): PresetPoint => ({ fileType, bytes, loss, bitsPerWeight: 4 }));
  const points = Array.from({ length: 60 }, (_, i) => ({
    ...{ bytes: 1.75e6 + 1e5 * i, loss: 0.05 * Math.exp(-0.13 * i), bitsPerWeight: 3 },
  }));
  const scale = frontScale({ points, presets })!;

  it.each([320, 480, 700, 1100])('do not overlap in a chart of %i pixels', (width) => {
    const marked = [
      { bytes: 3.15e6, loss: 9.8e-4 },
      { bytes: 3.15e6, loss: 1.6e-3, halfWidth: 2e-4 },
    ];
    const names = frontNames({ points, presets }, scale, width, marked);
    const { left, right, top, bottom } = frontMargin;
    const boxes = names.map(({ point, place }) =>
      nameBox(
        {
          x: left + shareOfSize(scale, point.bytes) * (width - left - right),
          y: top + shareOfLoss(scale, point.loss) * (frontHeight - top - bottom),
          text: point.fileType,
        },
        place,
      ),
    );
    expectApart(boxes);
    expect(names.some(({ place }) => place.isFar)).toBe(true);
    expect(names.length).toBeGreaterThanOrEqual(width < 400 ? 11 : 13);
    for (const box of boxes) {
      expect(box.left).toBeGreaterThanOrEqual(left);
      expect(box.right).toBeLessThanOrEqual(width - right);
    }
  });

  it('are not of presets outside of the chart', () => {
    const lossless = { fileType: 'F16', bytes: 1e7, loss: 1e-20, bitsPerWeight: 16 };
    const names = frontNames({ points, presets: [...presets, lossless] }, scale, 700, []);
    expect(names.map(({ point }) => point.fileType)).not.toContain('F16');
  });
});
