import { useLayoutEffect } from 'preact/hooks';
import { useApp } from './context';

/** How long content that is still on its way is waited for (milliseconds). */
const patience = 10_000;
/** What says that the user has taken over. */
const takenOver = ['wheel', 'pointerdown', 'keydown'] as const;

/**
 * Keeps how far an element is scrolled, and scrolls it there again as soon as its content is long enough.
 * @param key unique in the page.
 * @param scroller an element whose first child holds all of its content.
 */
export function useScroll(key: string, scroller: { readonly current: HTMLElement | null }): void {
  const { persistent } = useApp();
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const goal = persistent.get(`scroll ${key}`);
    const keep = (): void => persistent.set(`scroll ${key}`, Math.round(element.scrollTop));
    const follow = (): void => element.addEventListener('scroll', keep, { passive: true });
    const restoring = typeof goal === 'number' ? restore(element, goal, follow) : undefined;
    if (!restoring) follow();
    return () => {
      restoring?.end();
      element.removeEventListener('scroll', keep);
    };
  }, [persistent, key]);
}

/** Scrolls until the goal is reached, the user scrolls or the patience is at its end; `done` is called once in each case. */
function restore(element: HTMLElement, goal: number, done: () => void): { end(): void } {
  const content = new ResizeObserver(() => attempt());
  const timer = setTimeout(() => finish(), patience);
  let isOver = false;
  const end = (): void => {
    isOver = true;
    content.disconnect();
    clearTimeout(timer);
    for (const name of takenOver) element.removeEventListener(name, finish);
  };
  const finish = (): void => {
    if (isOver) return;
    end();
    done();
  };
  const attempt = (): void => {
    element.scrollTop = goal;
    if (Math.abs(element.scrollTop - goal) < 2) finish();
  };
  for (const name of takenOver) element.addEventListener(name, finish, { passive: true });
  for (const child of element.children) content.observe(child);
  attempt();
  return { end };
}
