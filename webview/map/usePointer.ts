import { useEffect, useRef, useState, type MutableRef } from 'preact/hooks';
import { margin } from './paint';
import { boxed, panned, zoomed, type Anchor, type Area, type Extent, type View } from './view';

/** Factor per pixel of a wheel. */
const perPixel = 1.002;
/** A pinch of a touch pad arrives as a wheel with Ctrl, in steps of fewer pixels, each of which counts more. */
const pinch = { pixels: 40, factor: 5 } as const;
/** Pixels of a line, where a wheel counts these. */
const perLine = 24;
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
  /** Whether it draws a rectangle; it moves the view otherwise. */
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
    if (!target) return undefined;
    const follower = new Follower(target, () => latest.current, setPointer);
    return () => follower.dispose();
  }, []);
  return pointer;
}

/** Follows the pointers over a map. */
class Follower {
  /** Where each pointer that is down was last. */
  private readonly down = new Map<number, Anchor>();
  private drag: Drag | undefined;
  private readonly listeners = Object.entries({
    wheel: (event: WheelEvent) => this.wheel(event),
    pointerdown: (event: PointerEvent) => this.press(event),
    pointermove: (event: PointerEvent) => this.move(event),
    pointerup: (event: PointerEvent) => this.release(event),
    pointercancel: (event: PointerEvent) => this.cancel(event),
    pointerleave: () => this.tell({}),
    dblclick: (event: MouseEvent) => this.isInside(event) && this.zoom(closer, this.anchorOf(event)),
  }) as [string, EventListener][];

  constructor(
    private readonly target: HTMLElement,
    private readonly shown: () => Shown,
    private readonly tell: (pointer: Pointer) => void,
  ) {
    for (const [name, listener] of this.listeners)
      target.addEventListener(name, listener, { passive: false });
  }

  dispose(): void {
    for (const [name, listener] of this.listeners) this.target.removeEventListener(name, listener);
  }

  private wheel(event: WheelEvent): void {
    const isMeant = event.ctrlKey || event.metaKey || document.activeElement === this.target;
    if (!isMeant || !this.isInside(event)) return; // the page scrolls
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? perLine * event.deltaY : event.deltaY;
    const isPinch = event.ctrlKey && Math.abs(pixels) < pinch.pixels;
    this.zoom(perPixel ** (isPinch ? pinch.factor * pixels : pixels), this.anchorOf(event));
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0 || !this.isInside(event)) return;
    this.target.focus({ preventScroll: true });
    this.target.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, this.anchorOf(event));
    this.drag = this.begin(this.anchorOf(event), event.shiftKey);
  }

  private move(event: PointerEvent): void {
    const at = this.anchorOf(event);
    const before = this.down.get(event.pointerId);
    if (!before || !this.drag) return this.tell(this.isInside(event) ? { at } : {});
    this.down.set(event.pointerId, at);
    const other = [...this.down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) return this.spread(before, at, other);
    const { from, view, draws } = this.drag;
    if (draws) return this.tell({ box: [from, at] });
    const { extent, area, show } = this.shown();
    if (isSlight(from, at, area)) return;
    this.tell({});
    show(panned(view, { x: from.x - at.x, y: from.y - at.y }, extent, area));
  }

  /** Two fingers: what is between them grows with their distance. */
  private spread(before: Anchor, at: Anchor, other: Anchor): void {
    const { area } = this.shown();
    const distance = (place: Anchor): number =>
      Math.hypot((place.x - other.x) * area.width, (place.y - other.y) * area.height);
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    this.zoom(distance(before) / Math.max(1, distance(at)), middle);
  }

  private release(event: PointerEvent): void {
    const at = this.anchorOf(event);
    const { view, extent, area, show } = this.shown();
    const { drag } = this;
    if (drag?.draws && !isSlight(drag.from, at, area)) show(boxed(view, drag.from, at, extent, area));
    this.down.delete(event.pointerId);
    const [rest] = this.down.values();
    this.drag = rest && this.begin(rest, false); // the finger that stays goes on from where it is
    this.tell(this.isInside(event) ? { at } : {});
  }

  private cancel(event: PointerEvent): void {
    this.down.delete(event.pointerId);
    this.drag = undefined;
    this.tell({});
  }

  private begin(from: Anchor, draws: boolean): Drag {
    return { from, view: this.shown().view, draws };
  }

  private zoom(factor: number, anchor: Anchor): void {
    const { view, extent, area, show } = this.shown();
    show(zoomed(view, factor, anchor, extent, area));
  }

  /** CSS pixels from the corner of the map. */
  private placeOf(event: MouseEvent): readonly [x: number, y: number] {
    const { left, top } = this.target.getBoundingClientRect();
    return [event.clientX - left - margin.left, event.clientY - top - margin.top];
  }

  private anchorOf(event: MouseEvent): Anchor {
    const [x, y] = this.placeOf(event);
    const { area } = this.shown();
    const share = (at: number, size: number): number => Math.min(1, Math.max(0, at / size));
    return { x: share(x, area.width), y: share(y, area.height) };
  }

  private isInside(event: MouseEvent): boolean {
    const [x, y] = this.placeOf(event);
    const { area } = this.shown();
    return x >= 0 && y >= 0 && x <= area.width && y <= area.height;
  }
}

const isSlight = (from: Anchor, to: Anchor, area: Area): boolean =>
  Math.hypot((to.x - from.x) * area.width, (to.y - from.y) * area.height) < slack;
