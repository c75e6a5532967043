import { useEffect, useRef, useState, type MutableRef } from 'preact/hooks';
import { boxed, panned, zoomed, type Anchor, type Area, type Extent, type View } from './view';
import { margin } from './paint';

/** Factor per pixel of a wheel. */
const perPixel = 1.002;
/** Factor of a double click. */
const closer = 0.25;
/** Pixels that a pointer moves at least before a press is a drag. */
const slack = 3;

interface Shown {
  readonly view: View;
  readonly extent: Extent;
  readonly area: Area;
  readonly show: (view: View) => void;
}

/** Where the pointer is, and the rectangle that it draws, as shares of the map. */
export interface Pointer {
  readonly at?: Anchor | undefined;
  readonly box?: readonly [Anchor, Anchor] | undefined;
}

interface Drag {
  readonly from: Anchor;
  readonly view: View;
  readonly draws: boolean;
}

/**
 * Zoom and pan by pointer: wheel (with Ctrl, or while the map has the focus), drag, two fingers, a rectangle with Shift, double click.
 */
export function usePointer(element: MutableRef<HTMLElement | null>, shown: Shown): Pointer {
  const [pointer, setPointer] = useState<Pointer>({});
  const latest = useRef(shown);
  latest.current = shown;
  useEffect(() => {
    const target = element.current;
    return target ? follow(target, latest, setPointer) : undefined;
  }, []);
  return pointer;
}

function follow(
  target: HTMLElement,
  latest: MutableRef<Shown>,
  setPointer: (pointer: Pointer) => void,
): () => void {
  const touching = new Map<number, Anchor>();
  let drag: Drag | undefined;
  const anchorOf = (event: MouseEvent): Anchor => {
    const { left, top } = target.getBoundingClientRect();
    const { area } = latest.current;
    const share = (at: number, size: number): number => Math.min(1, Math.max(0, at / size));
    return {
      x: share(event.clientX - left - margin.left, area.width),
      y: share(event.clientY - top - margin.top, area.height),
    };
  };
  const isInside = (event: MouseEvent): boolean => {
    const { left, top } = target.getBoundingClientRect();
    const { area } = latest.current;
    const [x, y] = [event.clientX - left - margin.left, event.clientY - top - margin.top];
    return x >= 0 && y >= 0 && x <= area.width && y <= area.height;
  };
  const zoom = (factor: number, anchor: Anchor): void => {
    const { view, extent, area, show } = latest.current;
    show(zoomed(view, factor, anchor, extent, area));
  };
  const begin = (at: Anchor, draws: boolean): Drag => ({ from: at, view: latest.current.view, draws });

  const listeners: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void } = {
    wheel: (event) => {
      if (!isInside(event)) return;
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== target) return;
      event.preventDefault();
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 24 * event.deltaY : event.deltaY;
      // A pinch of a touch pad arrives as a wheel with Ctrl, in small steps.
      zoom(perPixel ** (event.ctrlKey && Math.abs(pixels) < 40 ? 5 * pixels : pixels), anchorOf(event));
    },
    pointerdown: (event) => {
      if (event.button !== 0 || !isInside(event)) return;
      target.focus({ preventScroll: true });
      target.setPointerCapture(event.pointerId);
      touching.set(event.pointerId, anchorOf(event));
      drag = begin(anchorOf(event), event.shiftKey);
    },
    pointermove: (event) => {
      const at = anchorOf(event);
      const before = touching.get(event.pointerId);
      if (!before || !drag) return setPointer(isInside(event) ? { at } : {});
      touching.set(event.pointerId, at);
      const { extent, area, show } = latest.current;
      if (touching.size === 2) {
        const [other] = [...touching].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const middle = { x: (at.x + other!.x) / 2, y: (at.y + other!.y) / 2 };
        const length = (place: Anchor): number =>
          Math.hypot((place.x - other!.x) * area.width, (place.y - other!.y) * area.height);
        return zoom(length(before) / Math.max(1, length(at)), middle);
      }
      if (drag.draws) return setPointer({ box: [drag.from, at] });
      if (isSlight(drag.from, at, area)) return;
      setPointer({});
      show(panned(drag.view, { x: drag.from.x - at.x, y: drag.from.y - at.y }, extent, area));
    },
    pointerup: (event) => {
      const at = anchorOf(event);
      const { view, extent, area, show } = latest.current;
      if (drag?.draws && !isSlight(drag.from, at, area)) show(boxed(view, drag.from, at, extent, area));
      touching.delete(event.pointerId);
      // The finger that stays goes on from where it is.
      const [rest] = touching.values();
      drag = rest && begin(rest, false);
      setPointer(isInside(event) ? { at } : {});
    },
    pointercancel: (event) => {
      touching.delete(event.pointerId);
      drag = undefined;
      setPointer({});
    },
    pointerleave: () => setPointer({}),
    dblclick: (event) => {
      if (isInside(event)) zoom(closer, anchorOf(event));
    },
  };
  const entries = Object.entries(listeners) as [string, EventListener][];
  for (const [name, listener] of entries) target.addEventListener(name, listener, { passive: false });
  return () => {
    for (const [name, listener] of entries) target.removeEventListener(name, listener);
  };
}

const isSlight = (from: Anchor, to: Anchor, area: Area): boolean =>
  Math.hypot((to.x - from.x) * area.width, (to.y - from.y) * area.height) < slack;
