import { useLayoutEffect, useState, type MutableRef } from 'preact/hooks';

/** The width of an element in pixels, as it changes; 0 before it is drawn. */
export function useWidth(element: MutableRef<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const target = element.current;
    if (!target) return undefined;
    const observer = new ResizeObserver(() => setWidth(target.clientWidth));
    observer.observe(target);
    return () => observer.disconnect();
  }, []);
  return width;
}
