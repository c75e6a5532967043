import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { CodeReader } from '../model/codeRows';
import type { Model } from '../model/model';
import { matrixOf, maxRowWeights } from '../model/rows';
import type { CodeAnalysis, GroupMap, StoredAnalysis } from '../protocol/analysis';
import { defined } from '../protocol/defined';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { blockCodes, hasBlocks, partsOfBlocks } from './blockCodes';
import { GroupMeans } from './groupMeans';
import type { TensorWork } from './tensorReader';

/** Weights whose codes are read at a time (8 MiB as float32). */
const slabWeights = 1 << 21;
/** Values of the saturation of rows. */
const saturationCells = 256;
const worstRows = 8;

/**
 * How a quantized weight is stored, in the tensors of a checkpoint or in blocks of a GGUF file: its parts, and where they can be shown its codes and
 * scales. All codes are read once.
 * @throws QuantscopeError REQUEST for a tensor that is stored as it is, UNSUPPORTED for one that cannot be read.
 */
export async function analyseStored(
  model: Model,
  tensor: TensorDescriptor,
  work: TensorWork = {},
): Promise<StoredAnalysis> {
  const { name, file, shape, elements, byteLength, stored, readable, unreadableReason } = tensor;
  const place = { file, tensor: name };
  const isBlocks = hasBlocks(tensor);
  if (!stored && !isBlocks)
    throw new QuantscopeError('REQUEST', said`The tensor is not stored in parts.`, place);
  if (!readable)
    throw new QuantscopeError('UNSUPPORTED', unreadableReason ?? said`The tensor cannot be read.`, place);
  // Rows are read whole: no published model has longer ones.
  const isShown = elements > 0 && (!isBlocks || matrixOf(shape).columns <= maxRowWeights);
  const codes = isBlocks ? blockCodes(model, tensor) : model.codes(tensor);
  const parts = stored?.parts.map((part) => ({
    ...{ role: part.role, name: part.name, dtype: part.dtype, shape: part.shape, bytes: part.byteLength },
  }));
  return {
    tensor: name,
    bitsPerWeight: elements > 0 ? (8 * byteLength) / elements : NaN,
    parts: parts ?? partsOfBlocks(tensor),
    ...(codes && isShown ? { codes: await analyseCodes(codes, shape, work) } : {}),
  };
}

async function analyseCodes(
  codes: CodeReader,
  shape: readonly number[],
  { signal, onProgress }: TensorWork,
): Promise<CodeAnalysis> {
  const { rows, columns } = matrixOf(shape);
  const levels = await codes.levels(signal);
  const counts = new LevelCounts(levels, rows, columns);
  const maps = new Map<string, GroupMeans>();
  const add = (name: string, row: number, count: number, values: Float32Array | undefined): void => {
    if (!values) return;
    const means = maps.get(name) ?? new GroupMeans(rows, count);
    maps.set(name, means);
    means.add(row, values);
  };
  const perSlab = Math.max(1, Math.floor(slabWeights / columns));
  for (let row = 0; row < rows; row += perSlab) {
    throwIfCancelled(signal);
    const span = { row, rows: Math.min(perSlab, rows - row) };
    const values = new Float32Array(span.rows * columns);
    const groups = await codes.read(span, values, signal);
    counts.add(row, values);
    add('scales', row, groups.count, groups.scales);
    add('zeros', row, groups.count, groups.zeros);
    add('minimums', row, groups.count, groups.minimums);
    add('factors of scales', row, groups.blocks?.count ?? 0, groups.blocks?.scales);
    add('factors of minimums', row, groups.blocks?.count ?? 0, groups.blocks?.minimums);
    onProgress?.((row + span.rows) * columns, rows * columns);
  }
  const map = (name: string): GroupMap | undefined => maps.get(name)?.map();
  const factors = map('factors of scales');
  return {
    ...{ ...counts.result(), scales: map('scales')! },
    ...defined({ zeros: map('zeros'), minimums: map('minimums') }),
    ...(factors
      ? { factors: { scales: factors, ...defined({ minimums: map('factors of minimums') }) } }
      : {}),
  };
}

/** How many weights have each level, and what share of each row is at its ends. */
class LevelCounts {
  private readonly counts: number[];
  private readonly indexOf: ReadonlyMap<number, number>;
  private readonly shares: Float64Array;

  constructor(
    private readonly levels: Float32Array,
    rows: number,
    private readonly columns: number,
  ) {
    this.counts = new Array<number>(levels.length).fill(0);
    this.indexOf = new Map([...levels].map((level, i) => [level, i]));
    this.shares = new Float64Array(rows);
  }

  /** @param values levels of whole rows. */
  add(row: number, values: Float32Array): void {
    const { columns, counts, indexOf } = this;
    const last = counts.length - 1;
    for (let at = 0; at < values.length; at += columns) {
      let ends = 0;
      for (let column = 0; column < columns; column++) {
        const index = indexOf.get(values[at + column]!); // −0 is 0 here
        if (index === undefined) continue; // NaN of an 8-bit float
        counts[index]! += 1;
        if (index === 0 || index === last) ends += 1;
      }
      this.shares[row + at / columns] = ends / columns;
    }
  }

  result(): Pick<CodeAnalysis, 'levels' | 'counts' | 'saturated' | 'saturation'> {
    const { levels, counts, shares } = this;
    const cellRows = Math.ceil(shares.length / saturationCells);
    const values = Array.from({ length: Math.ceil(shares.length / cellRows) }, (_, cell) => {
      const rows = shares.subarray(cell * cellRows, (cell + 1) * cellRows);
      return rows.reduce((sum, share) => sum + share, 0) / rows.length;
    });
    const worst = [...shares.keys()].sort((a, b) => shares[b]! - shares[a]! || a - b).slice(0, worstRows);
    return {
      levels: [...levels],
      counts,
      saturated: { lowest: counts[0] ?? 0, highest: counts.at(-1) ?? 0 },
      saturation: { cellRows, values, worst: worst.map((row) => ({ row, share: shares[row]! })) },
    };
  }
}
