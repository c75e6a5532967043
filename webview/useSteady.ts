import { useMemo, useRef } from 'preact/hooks';

/** A function that stays the same and does what the latest one does. */
export function useSteady<A extends unknown[]>(latest: (...args: A) => void): (...args: A) => void {
  const current = useRef(latest);
  current.current = latest;
  return useMemo(
    () =>
      (...args: A) =>
        current.current(...args),
    [],
  );
}
