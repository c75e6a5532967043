import { SealedLines } from '../files/sealedLines';
import { isRecord } from '../model/json';
import type { ErrorSums } from '../native';
import type { Device } from '../protocol/device';
import { areCurrent, versionsOf } from '../quant/algorithms';
import { isFormatId } from '../quant/catalogue';

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
 * Finished cells on disk, appended as they are measured. One of another version of its format is skipped, so it is measured again. Where
 * the folder cannot be read or written, cells are kept in memory only, and `problem` says why.
 */
export class CellStore {
  private constructor(
    private readonly lines: SealedLines,
    private readonly cells: Map<string, MeasuredCell>,
  ) {}

  /** @param key contentKey of the model: cells are not shared between models. */
  static async open(folder: string, key: string): Promise<CellStore> {
    const cells = new Map<string, MeasuredCell>();
    const lines = await SealedLines.open(folder, key, (value) => {
      const cell = parseCell(value);
      if (cell) cells.set(keyOf(cell.tensor, cell.format), cell);
    });
    return new CellStore(lines, cells);
  }

  /** Why cells are not kept on disk; undefined when they are. */
  get problem(): string | undefined {
    return this.lines.problem;
  }

  find(tensor: string, format: string): MeasuredCell | undefined {
    return this.cells.get(keyOf(tensor, format));
  }

  all(): MeasuredCell[] {
    return [...this.cells.values()];
  }

  async add(cell: MeasuredCell): Promise<void> {
    this.cells.set(keyOf(cell.tensor, cell.format), cell);
    await this.lines.append({ ...cell, versions: versionsOf(algorithmsOf(cell)) });
  }

  close(): Promise<void> {
    return this.lines.close();
  }
}

const keyOf = (tensor: string, format: string): string => `${format}\n${tensor}`;

const algorithmsOf = ({ format, device }: Pick<MeasuredCell, 'format' | 'device'>): string[] => [
  format,
  device === 'cpu' ? 'errors' : 'graphErrors',
];

const devices: Readonly<Record<Device, true>> = { cpu: true, cuda: true, webgpu: true, 'ort-cpu': true };
const isDevice = (value: unknown): value is Device =>
  typeof value === 'string' && Object.hasOwn(devices, value);
const sumNames: readonly (keyof ErrorSums)[] = ['count', 'source', 'decoded', 'error', 'maxError'];

/** A stored cell; undefined for one of another version, and for anything else. */
function parseCell(value: unknown): MeasuredCell | undefined {
  if (!isRecord(value)) return undefined;
  const { tensor, format, device, sums, versions } = value;
  if (typeof tensor !== 'string' || !isFormatId(format)) return undefined;
  if (!isDevice(device) || !areCurrent(versions, algorithmsOf({ format, device }))) return undefined;
  return isSums(sums) ? { tensor, format, device, sums } : undefined;
}

const isSums = (value: unknown): value is ErrorSums =>
  isRecord(value) && sumNames.every((name) => typeof value[name] === 'number');
