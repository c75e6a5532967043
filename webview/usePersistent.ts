import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useApp } from './context';
import { isAlike, overFresh } from './persistent';

/** A value and what changes it, as `useState` gives them. */
export type PersistentState<T> = readonly [value: T, set: (next: T | ((now: T) => T)) => void];

/**
 * Like `useState`, but the value outlives the view: it is there again when the tab is shown again, when the editor was hidden and when the
 * window was reloaded. Two views that use one key share its value.
 * @param key unique in the page, "compare.filter"; a value of one tensor has the tensor's name in its key.
 * @param initial while nothing is stored.
 * @param read checks a stored value, which an earlier version may have written; undefined where it is of no use. By default it is used where it
 * is of the kind of the initial value.
 */
export function usePersistent<T>(
  key: string,
  initial: T,
  read: (stored: unknown) => T | undefined = (stored) =>
    isAlike(initial, stored) ? (stored as T) : undefined,
): PersistentState<T> {
  const { persistent } = useApp();
  const [, redraw] = useState(0);
  useEffect(() => persistent.subscribe(key, () => redraw((n) => n + 1)), [persistent, key]);
  const stored = persistent.get(key);
  const known = useMemo(() => (stored === undefined ? undefined : read(stored)), [stored]);
  const value = known ?? initial;
  const latest = useRef(value);
  latest.current = value;
  const set = useMemo(
    () =>
      (next: T | ((now: T) => T)): void => {
        latest.current = typeof next === 'function' ? (next as (now: T) => T)(latest.current) : next;
        persistent.set(key, latest.current);
      },
    [persistent, key],
  );
  return [value, set];
}

/**
 * Like `usePersistent` for the fields of a form: stored ones that it no longer has, or that are of another kind, are dropped.
 * @param fresh the same object as long as none of its fields changes: it is the value while nothing is stored.
 */
export function usePersistentForm<T extends object>(key: string, fresh: T): PersistentState<T> {
  return usePersistent(key, fresh, (stored) => overFresh(fresh, stored));
}
