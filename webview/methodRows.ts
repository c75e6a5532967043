import type { MethodCell, MethodRow } from '../src/protocol/methods';
import type { MethodOptions } from '../src/protocol/recipe';
import type { Host } from './host';

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

  delete(key: string): void {
    this.values.delete(key);
  }
}

/** Results that are kept: a page that is folded for a narrow panel begins again. */
const cells = new Kept<MethodCell>(3000);
const facts = new Kept<GridFacts>(500);
/** Those of the last request for a grid. */
const failures = new Kept<string>(500);

/** Grids and methods that a table shows. */
export interface Wanted {
  readonly tensor: string;
  /** Names of grids, and ids of methods. */
  readonly grids: readonly string[];
  readonly methods: readonly string[];
  readonly options: OptionsByMethod;
  /** What results depend on besides: the revision of the files, the evidence. */
  readonly basis: string;
}

const gridKey = ({ basis, tensor }: Wanted, grid: string): string => `${basis}\n${tensor}\n${grid}`;

const cellKey = (wanted: Wanted, grid: string, method: string): string =>
  `${gridKey(wanted, grid)}\n${method}\n${JSON.stringify(wanted.options[method] ?? {})}`;

/** Asks for the cells of a grid that are not known. It never rejects: a failure is part of the row, until the grid is asked for again. */
export async function askRow(
  host: Pick<Host, 'call'>,
  wanted: Wanted,
  grid: string,
  signal: AbortSignal,
): Promise<void> {
  const { tensor, methods, options } = wanted;
  const key = gridKey(wanted, grid);
  failures.delete(key);
  const missing = methods.filter((method) => !cells.get(cellKey(wanted, grid, method)));
  if (missing.length === 0) return;
  try {
    const params = { tensor, grid, methods: missing, options };
    const { cells: found, ...row } = await host.call('methods', params, { signal });
    facts.set(key, row);
    for (const cell of found) cells.set(cellKey(wanted, grid, cell.method), cell);
  } catch (error) {
    if (!signal.aborted) failures.set(key, error instanceof Error ? error.message : String(error));
  }
}

/** What is known of all grids. */
export function knownRows(wanted: Wanted): readonly GridState[] {
  const { grids, methods } = wanted;
  return grids.map((name): GridState => {
    const [row, failure] = [facts.get(gridKey(wanted, name)), failures.get(gridKey(wanted, name))];
    const known = methods.flatMap((method) => cells.get(cellKey(wanted, name, method)) ?? []);
    return {
      name,
      ...(row ? { row: { ...row, cells: known } } : {}),
      ...(failure === undefined ? {} : { failure }),
    };
  });
}
