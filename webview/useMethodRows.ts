import { useEffect, useState } from 'preact/hooks';
import type { MethodRow } from '../src/protocol/methods';
import { useApp } from './context';

/** A grid of the table: its row, once it is known, or why there is none. */
export interface GridState {
  readonly name: string;
  readonly row?: MethodRow;
  readonly failure?: string;
}

/** Rows that are kept: a page that is folded for a narrow panel begins again. The oldest go first. */
const kept = new Map<string, GridState>();
const maxKept = 500;

/**
 * A tensor in grids by all methods: one grid after the other, each once.
 * @param basis what rows depend on besides: the revision of the files, the evidence.
 */
export function useMethodRows(tensor: string, grids: readonly string[], basis: string): readonly GridState[] {
  const { host } = useApp();
  const [, redraw] = useState(0);
  const keyOf = (name: string): string => `${basis}\n${tensor}\n${name}`;
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const fill = async (): Promise<void> => {
      for (const name of grids) {
        if (kept.has(keyOf(name))) continue;
        const state = await host.call('methods', { tensor, grid: name }, { signal }).then(
          (row): GridState => ({ name, row }),
          (error: unknown): GridState => ({
            name,
            failure: error instanceof Error ? error.message : String(error),
          }),
        );
        if (signal.aborted) return;
        keep(keyOf(name), state);
        redraw((n) => n + 1);
      }
    };
    void fill(); // never rejects: failures are rows
    return () => controller.abort();
  }, [keyOf(grids.join(' '))]);
  return grids.map((name) => kept.get(keyOf(name)) ?? { name });
}

function keep(key: string, state: GridState): void {
  kept.set(key, state);
  const [oldest] = kept.keys();
  if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
}
