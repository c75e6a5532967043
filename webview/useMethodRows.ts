import { useEffect, useState } from 'preact/hooks';
import type { MethodCell, MethodRow } from '../src/protocol/methods';
import type { MethodOptions } from '../src/protocol/recipe';
import { useApp } from './context';

/** What is known of a grid besides its cells. */
type GridFacts = Omit<MethodRow, 'cells'>;

/** A grid of the table: its row, with the cells that are known so far, or why there is none. */
export interface GridState {
  readonly name: string;
  readonly row?: MethodRow;
  readonly failure?: string;
}

/** Options of methods that differ from their defaults, by id. */
export type OptionsByMethod = Readonly<Record<string, MethodOptions>>;

/** What is kept of a key; the oldest goes first. */
class Kept<T> {
  private readonly values = new Map<string, T>();

  constructor(private readonly most: number) {}

  get(key: string): T | undefined {
    return this.values.get(key);
  }

  set(key: string, value: T): void {
    this.values.set(key, value);
    const [oldest] = this.values.keys();
    if (this.values.size > this.most && oldest !== undefined) this.values.delete(oldest);
  }
}

/** Results that are kept: a page that is folded for a narrow panel begins again. */
const cells = new Kept<MethodCell>(3000);
const facts = new Kept<GridFacts>(500);
const failures = new Kept<string>(500);

interface Wanted {
  readonly tensor: string;
  /** Names of grids, and ids of methods. */
  readonly grids: readonly string[];
  readonly methods: readonly string[];
  readonly options: OptionsByMethod;
  /** What results depend on besides: the revision of the files, the evidence. */
  readonly basis: string;
}

/** A tensor in grids by methods: one grid after the other; what is known is not asked for again. */
export function useMethodRows(wanted: Wanted): readonly GridState[] {
  const { tensor, grids, methods, options, basis } = wanted;
  const { host } = useApp();
  const [, redraw] = useState(0);
  const gridKey = (grid: string): string => `${basis}\n${tensor}\n${grid}`;
  const cellKey = (grid: string, method: string): string =>
    `${gridKey(grid)}\n${method}\n${JSON.stringify(options[method] ?? {})}`;
  const ask = async (grid: string, signal: AbortSignal): Promise<void> => {
    const missing = methods.filter((method) => !cells.get(cellKey(grid, method)));
    if (missing.length === 0 || failures.get(gridKey(grid)) !== undefined) return;
    try {
      const params = { tensor, grid, methods: missing, options };
      const { cells: found, ...row } = await host.call('methods', params, { signal });
      facts.set(gridKey(grid), row);
      for (const cell of found) cells.set(cellKey(grid, cell.method), cell);
    } catch (error) {
      if (!signal.aborted)
        failures.set(gridKey(grid), error instanceof Error ? error.message : String(error));
    }
    if (!signal.aborted) redraw((n) => n + 1);
  };
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const fill = async (): Promise<void> => {
      for (const grid of grids) if (!signal.aborted) await ask(grid, signal);
    };
    void fill(); // never rejects: failures are rows
    return () => controller.abort();
  }, [JSON.stringify([basis, tensor, grids, methods, options])]);
  return grids.map((name): GridState => {
    const [row, failure] = [facts.get(gridKey(name)), failures.get(gridKey(name))];
    const known = methods.flatMap((method) => cells.get(cellKey(name, method)) ?? []);
    return {
      name,
      ...(row ? { row: { ...row, cells: known } } : {}),
      ...(failure === undefined ? {} : { failure }),
    };
  });
}
