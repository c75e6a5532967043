import { describe, expect, it } from 'vitest';
import { cursorAfterKey, viewAfterKey } from '../../../../webview/map/keys';
import { wholeTicks } from '../../../../webview/map/ticks';
import {
  areaOf,
  boxed,
  center,
  clamped,
  isWholeView,
  panned,
  viewOfLine,
  weightAt,
  wholeView,
  zoomed,
  type Extent,
} from '../../../../webview/map/view';

const extent: Extent = { rows: 4096, columns: 1024 };
const area = { width: 800, height: 320 };
const whole = wholeView(extent);

describe('the view of a map', () => {
  it('keeps the weight under the pointer where it is while it is zoomed', () => {
    const at = { x: 0.3, y: 0.8 };
    const before = weightAt(whole, at, extent);
    let view = whole;
    for (let i = 0; i < 6; i++) view = zoomed(view, 0.7, at, extent, area);
    expect(weightAt(view, at, extent)).toEqual(before);
    expect(view.rows).toBeCloseTo(4096 * 0.7 ** 6, 6);
  });

  it('stops where a weight has room for its number, and at the whole tensor', () => {
    let view = whole;
    for (let i = 0; i < 40; i++) view = zoomed(view, 0.5, { x: 0, y: 0 }, extent, area);
    expect(view.columns).toBeCloseTo(800 / 72, 6);
    expect(view.rows).toBeCloseTo(320 / 26, 6);
    for (let i = 0; i < 40; i++) view = zoomed(view, 2, center, extent, area);
    expect(view).toEqual(whole);
    expect(isWholeView(view, extent)).toBe(true);
  });

  it('never leaves the tensor', () => {
    const corner = zoomed(whole, 0.1, { x: 1, y: 1 }, extent, area);
    const moved = panned(corner, { x: 3, y: 3 }, extent, area);
    expect(moved.row + moved.rows).toBeCloseTo(4096, 6);
    expect(moved.column + moved.columns).toBeCloseTo(1024, 6);
    const back = panned(moved, { x: -99, y: -99 }, extent, area);
    expect([back.row, back.column]).toEqual([0, 0]);
  });

  it('is the rectangle that was drawn, in whichever direction', () => {
    const down = boxed(whole, { x: 0.25, y: 0.5 }, { x: 0.5, y: 0.75 }, extent, area);
    expect(down).toEqual({ row: 2048, rows: 1024, column: 256, columns: 256 });
    expect(boxed(whole, { x: 0.5, y: 0.75 }, { x: 0.25, y: 0.5 }, extent, area)).toEqual(down);
  });

  it('of a line has lines on both sides as far as there are', () => {
    expect(viewOfLine('row', 451, extent)).toEqual({ row: 443, rows: 17, column: 0, columns: 1024 });
    expect(viewOfLine('column', 2, extent)).toEqual({ row: 0, rows: 4096, column: 0, columns: 11 });
  });

  it('of a vector, a column and a single weight takes no more room than numbers need', () => {
    expect(areaOf({ rows: 1, columns: 1_000_000 }, area)).toEqual({ width: 800, height: 26 });
    expect(areaOf({ rows: 1_000_000, columns: 1 }, area)).toEqual({ width: 72, height: 320 });
    expect(areaOf({ rows: 1, columns: 1 }, area)).toEqual({ width: 72, height: 26 });
    const one = { rows: 1, columns: 1 };
    expect(clamped(wholeView(one), one, areaOf(one, area))).toEqual(wholeView(one));
    const row = { rows: 1, columns: 1_000_000 };
    const closer = zoomed(wholeView(row), 0.01, center, row, areaOf(row, area));
    expect(closer).toEqual({ row: 0, rows: 1, column: 495_000, columns: 10_000 });
  });
});

describe('keys of a map', () => {
  it('zoom, move and go back to the whole tensor', () => {
    const closer = viewAfterKey('+', whole, extent, area)!;
    expect([closer.rows, closer.columns]).toEqual([2048, 512]);
    expect(viewAfterKey('ArrowDown', closer, extent, area)!.row).toBe(closer.row + 512);
    expect(viewAfterKey('Escape', closer, extent, area)).toEqual(whole);
    expect(viewAfterKey('a', closer, extent, area)).toBeUndefined();
  });

  it('step from cell to cell and stay in the tensor', () => {
    const cell = { rows: 4, columns: 2 };
    expect(cursorAfterKey('ArrowRight', { row: 8, column: 8 }, cell, extent)).toEqual({ row: 8, column: 10 });
    expect(cursorAfterKey('ArrowUp', { row: 2, column: 8 }, cell, extent)).toEqual({ row: 0, column: 8 });
    expect(cursorAfterKey('x', { row: 2, column: 8 }, cell, extent)).toBeUndefined();
  });
});

describe('ticks of whole numbers', () => {
  it.each([
    [0, 4096, 320, 26, [0, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000]],
    [40.5, 5, 320, 26, [41, 42, 43, 44, 45]],
    [0, 1, 26, 26, [0]],
    [0, 1_000_000, 300, 64, [0, 500_000]],
  ])('from %s over %s on %s pixels', (first, count, pixels, perTick, expected) =>
    expect(wholeTicks(first, count, pixels, perTick)).toEqual(expected),
  );
});
