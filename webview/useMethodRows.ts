import { useEffect, useState } from 'preact/hooks';
import { useApp } from './context';
import { askRow, knownRows, type GridState, type Wanted } from './methodRows';

/** A tensor in grids by methods: one grid after the other; what is known is not asked for again. */
export function useMethodRows(wanted: Wanted): readonly GridState[] {
  const { tensor, grids, methods, options, basis } = wanted;
  const { host } = useApp();
  const [, redraw] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const fill = async (): Promise<void> => {
      for (const grid of grids) {
        if (signal.aborted) return;
        await askRow(host, wanted, grid, signal);
        if (!signal.aborted) redraw((n) => n + 1);
      }
    };
    void fill(); // never rejects: failures are rows
    return () => controller.abort();
  }, [JSON.stringify([basis, tensor, grids, methods, options])]);
  return knownRows(wanted);
}
