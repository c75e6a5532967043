import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord } from '../model/json';
import { parseExact, stringifyExact } from '../protocol/exactJson';
import type { SensitivityCell } from '../protocol/plan';

/** A cell with the tensor it belongs to: one line of the store. */
export interface StoredCell extends SensitivityCell {
  readonly tensor: string;
}

/**
 * Finished cells on disk, one JSON line each, appended as they are measured: a run that is killed loses at most the one it
 * was writing, and a torn last line is skipped.
 */
export class CellStore {
  private handle: FileHandle | undefined;

  private constructor(
    private readonly file: string,
    private readonly cells: Map<string, StoredCell>,
  ) {}

  /** @param key contentKey of the model: a file that changed starts anew. */
  static async open(folder: string, key: string): Promise<CellStore> {
    await mkdir(folder, { recursive: true });
    const file = join(folder, `${key}.jsonl`);
    return new CellStore(file, parseLines(await readText(file)));
  }

  find(tensor: string, format: string): StoredCell | undefined {
    return this.cells.get(keyOf(tensor, format));
  }

  all(): StoredCell[] {
    return [...this.cells.values()];
  }

  async add(cell: StoredCell): Promise<void> {
    // A line of its own even after a torn one.
    this.handle ??= await open(this.file, 'a');
    await this.handle.write(`\n${stringifyExact(cell)}\n`);
    this.cells.set(keyOf(cell.tensor, cell.format), cell);
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = undefined;
  }
}

const keyOf = (tensor: string, format: string): string => `${format}\n${tensor}`;

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parseLines(text: string): Map<string, StoredCell> {
  const cells = new Map<string, StoredCell>();
  for (const line of text.split('\n')) {
    const cell = parseCell(line);
    if (cell) cells.set(keyOf(cell.tensor, cell.format), cell);
  }
  return cells;
}

/** A stored line, or undefined for an empty or torn one. */
function parseCell(line: string): StoredCell | undefined {
  if (line.length === 0) return undefined;
  let value: unknown;
  try {
    value = parseExact(line);
  } catch {
    return undefined; // torn by a kill: it is measured again
  }
  if (
    !isRecord(value) ||
    typeof value['tensor'] !== 'string' ||
    typeof value['relativeSquaredError'] !== 'number' ||
    typeof value['sqnr'] !== 'number'
  )
    return undefined;
  return value as unknown as StoredCell;
}
