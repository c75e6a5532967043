import { useCallback, useLayoutEffect, useState } from 'preact/hooks';

/** Height of a row of a list (pixels). */
export const rowHeight = 24;

/** Rows that are drawn beyond each end of what is visible, so that scrolling shows no gap before the next frame. */
const overscan = 12;

/** A row that is drawn. */
export interface VirtualRow {
  readonly index: number;
  /** Pixels from the top of the content. */
  readonly start: number;
}

/** Rows from `first`, up to the one before `end`. */
interface Seen {
  readonly first: number;
  readonly end: number;
}

/** Rows that are seen in a scroller of this height below its head: pixels. */
export const seenRows = (scrollTop: number, height: number): Seen => ({
  first: Math.max(0, Math.floor(scrollTop / rowHeight)),
  end: Math.max(0, Math.ceil((scrollTop + height) / rowHeight)),
});

/** The rows to draw of so many: those that are seen, or the last ones where the list has become shorter, with some around them. */
export function drawnRows({ first, end }: Seen, rowCount: number, head: number): VirtualRow[] {
  const last = Math.min(rowCount, end + overscan);
  const from = Math.max(0, Math.min(first, rowCount - (end - first)) - overscan);
  return Array.from({ length: Math.max(0, last - from) }, (_, i) => ({
    ...{ index: from + i, start: head + (from + i) * rowHeight },
  }));
}

/**
 * The rows of a long list that are drawn, all of one height. The component is drawn again when other rows are seen, not at every pixel.
 * @param head height of what stays above the rows inside the scroller (pixels).
 */
export function useVirtualRows(rowCount: number, scroller: { current: HTMLDivElement | null }, head: number) {
  const [seen, setSeen] = useState<Seen>({ first: 0, end: 0 });
  useLayoutEffect(() => {
    const element = scroller.current!;
    const look = (): void =>
      setSeen((now) => {
        const next = seenRows(element.scrollTop, element.clientHeight - head);
        return next.first === now.first && next.end === now.end ? now : next;
      });
    const size = new ResizeObserver(look);
    size.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    look();
    return () => {
      size.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  /** Scrolls no further than is needed to see the row. */
  const scrollTo = useCallback((index: number): void => {
    const element = scroller.current;
    if (!element) return;
    const above = index * rowHeight;
    const below = above + rowHeight + head - element.clientHeight;
    if (element.scrollTop > above) element.scrollTop = above;
    else if (element.scrollTop < below) element.scrollTop = below;
  }, []);
  return { rows: drawnRows(seen, rowCount, head), height: head + rowCount * rowHeight, scrollTo };
}
