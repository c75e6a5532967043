import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import { useLayoutEffect, useState } from 'preact/hooks';

/** Height of a row of a list (pixels). */
export const rowHeight = 24;

export function useVirtualRows(rowCount: number, scroller: { current: HTMLDivElement | null }) {
  const [, redraw] = useState(0);
  const [virtualizer] = useState(
    () =>
      new Virtualizer<HTMLDivElement, Element>({
        ...{
          count: rowCount,
          estimateSize: () => rowHeight,
          overscan: 12,
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
