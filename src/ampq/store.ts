import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '../model/byteSource';
import { isRecord } from '../model/json';
import { seal, unseal } from '../model/sealedJson';
import type { ErrorSums } from '../native';
import type { Device } from '../protocol/plan';
import { areCurrent, versionsOf } from '../quant/algorithms';
import { isFormatId } from '../quant/catalogue';
import { makeFolder } from '../files/makeFolder';

/** What was measured of a tensor in a format; sizes and figures follow from it and from the tensor. */
export interface MeasuredCell {
  /** Name in GGUF. */
  readonly tensor: string;
  readonly format: string;
  /** What computed it. */
  readonly device: Device;
  readonly sums: ErrorSums;
}

/**
 * Finished cells on disk, one sealed JSON line each, appended as they are measured: a killed run loses at most the cell it
 * was writing. A line that is torn, damaged, edited or of another version of its format is skipped, so its cell is measured
 * again. Where the folder cannot be read or written, cells are kept in memory only, and `problem` says why.
 */
export class CellStore {
  private handle: FileHandle | undefined;

  private constructor(
    private readonly file: string,
    private readonly cells: Map<string, MeasuredCell>,
    private notKept?: string,
  ) {}

  /** @param key contentKey of the model: cells are not shared between models. */
  static async open(folder: string, key: string): Promise<CellStore> {
    const file = join(folder, `${key}.jsonl`);
    try {
      await makeFolder(folder);
      return new CellStore(file, parseLines(await readText(file)));
    } catch (error) {
      return new CellStore(file, new Map(), reason(error));
    }
  }

  /** Why cells are not kept on disk; undefined when they are. */
  get problem(): string | undefined {
    return this.notKept;
  }

  find(tensor: string, format: string): MeasuredCell | undefined {
    return this.cells.get(keyOf(tensor, format));
  }

  all(): MeasuredCell[] {
    return [...this.cells.values()];
  }

  async add(cell: MeasuredCell): Promise<void> {
    this.cells.set(keyOf(cell.tensor, cell.format), cell);
    if (this.notKept !== undefined) return;
    try {
      this.handle ??= await open(this.file, 'a');
      // On a separate line even after a torn one.
      await this.handle.write(`\n${seal({ ...cell, versions: versionsOf(algorithmsOf(cell)) })}\n`);
    } catch (error) {
      this.notKept = reason(error);
    }
  }

  async close(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    try {
      await handle?.close();
    } catch (error) {
      this.notKept ??= reason(error);
    }
  }
}

const keyOf = (tensor: string, format: string): string => `${format}\n${tensor}`;

const algorithmsOf = ({ format, device }: Pick<MeasuredCell, 'format' | 'device'>): string[] => [
  format,
  device === 'cpu' ? 'errors' : 'graphErrors',
];

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parseLines(text: string): Map<string, MeasuredCell> {
  const cells = new Map<string, MeasuredCell>();
  for (const line of text.split('\n')) {
    const cell = parseCell(line);
    if (cell) cells.set(keyOf(cell.tensor, cell.format), cell);
  }
  return cells;
}

const devices: Readonly<Record<Device, true>> = { cpu: true, cuda: true, webgpu: true, 'ort-cpu': true };
const isDevice = (value: unknown): value is Device =>
  typeof value === 'string' && Object.hasOwn(devices, value);
const sumNames: readonly (keyof ErrorSums)[] = ['count', 'source', 'decoded', 'error', 'maxError'];

/** A stored line; undefined for one that is empty, not as it was written, or of another version. */
function parseCell(line: string): MeasuredCell | undefined {
  const value = unseal(line);
  if (!isRecord(value)) return undefined;
  const { tensor, format, device, sums, versions } = value;
  if (typeof tensor !== 'string' || !isFormatId(format)) return undefined;
  if (!isDevice(device) || !areCurrent(versions, algorithmsOf({ format, device }))) return undefined;
  return isSums(sums) ? { tensor, format, device, sums } : undefined;
}

const isSums = (value: unknown): value is ErrorSums =>
  isRecord(value) && sumNames.every((name) => typeof value[name] === 'number');
