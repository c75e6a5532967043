import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import { useLayoutEffect, useState } from 'preact/hooks';

/** Height of a row of a list (pixels). */
export const rowHeight = 24;

/**
 * Which rows of a scrolled list are visible.
 * @param head height of what stays above the rows inside the scroller (pixels).
 */
export function useVirtualRows(rowCount: number, scroller: { current: HTMLDivElement | null }, head = 0) {
  const [, redraw] = useState(0);
  const [virtualizer] = useState(
    () =>
      new Virtualizer<HTMLDivElement, Element>({
        ...{
          count: rowCount,
          estimateSize: () => rowHeight,
          overscan: 12,
          paddingStart: head,
          scrollPaddingStart: head,
          getScrollElement: () => scroller.current,
        },
        ...{ scrollToFn: elementScroll, observeElementRect, observeElementOffset },
        onChange: () => redraw((n) => n + 1),
      }),
  );
  virtualizer.setOptions({ ...virtualizer.options, count: rowCount });
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  return virtualizer;
}
