import { describe, expect, it } from 'vitest';
import { drawnRows, rowHeight, seenRows } from '../../../webview/virtualRows';

const head = rowHeight;
const indices = (scrollTop: number, height: number, rowCount: number): [number, number] => {
  const rows = drawnRows(seenRows(scrollTop, height), rowCount, head);
  return [rows[0]?.index ?? NaN, rows.at(-1)?.index ?? NaN];
};

describe('rows of a long list', () => {
  it('are drawn where they are seen, with twelve around them', () => {
    expect(indices(0, 240, 1000)).toEqual([0, 21]);
    expect(indices(100 * rowHeight, 240, 1000)).toEqual([88, 121]);
    expect(indices(100 * rowHeight + 1, 240, 1000)).toEqual([88, 122]);
  });

  it('lie below the head, one after the other', () => {
    const rows = drawnRows(seenRows(50 * rowHeight, 48), 1000, head);
    expect(rows.slice(0, 2)).toEqual([
      { index: 38, start: head + 38 * rowHeight },
      { index: 39, start: head + 39 * rowHeight },
    ]);
  });

  it('end with the list', () => {
    expect(indices(990 * rowHeight, 240, 1000)).toEqual([978, 999]);
    expect(indices(0, 240, 3)).toEqual([0, 2]);
    expect(drawnRows(seenRows(0, 240), 0, head)).toEqual([]);
  });

  it('are the last ones where the list has become shorter than it is scrolled', () => {
    expect(indices(5000 * rowHeight, 240, 100)).toEqual([78, 99]);
    expect(indices(5000 * rowHeight, 240, 1)).toEqual([0, 0]);
  });
});
