import type { ElementType } from '../../graph/elementTypes';
import type { Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import { QuantscopeError } from '../../model/errors';
import type { Grid } from '../../protocol/grids';
import { said } from '../../protocol/said';
import { wholeRows } from '../../quant/grids/groups';
import type { RowQuantizer } from '../../quant/methods/method';
import type { QuantizedRows } from '../../quant/quantized';
import type { ActivationGrid } from './calibrationRanges';
import type { MatrixRows } from './rows';

/** A tensor of the file that a matrix is stored in. */
export interface StoredPart {
  /** What follows the matrix's name. */
  readonly suffix: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** Writes bytes of a part, from an offset in it on. */
export type WritePart = (part: number, offset: number, bytes: Uint8Array) => Promise<void>;

/** How one matrix `[out, in]` is stored in an ONNX file, and multiplied with. */
export interface MatrixStorage {
  /** What lists show: "MatMulNBits 4 bit in groups of 32". */
  readonly label: string;
  readonly parts: readonly StoredPart[];
  /** What users of such a file should know, as sentences. */
  readonly note?: string;
  /** x `[n, in]` → `[n, out]`; `values` are the parts. */
  product(ops: Ops, x: Value, values: readonly Value[], name: string): Value;
  /** Writes all parts. */
  fill(matrix: MatrixRows, write: WritePart, signal?: AbortSignal): Promise<void>;
}

/** How the codes of a grid are stored; each has one file of this folder. */
export const codeStorages = ['qdq', 'qdq-fusable', 'matmulnbits', 'matmulbnb4'] as const;
export type CodeStorage = (typeof codeStorages)[number];

/** What is chosen for a matrix: its grid, what finds its codes, how they are stored, and how its inputs are rounded. */
export interface MatrixChoice {
  readonly grid: Grid;
  readonly storage: CodeStorage;
  /** Opened right before the matrix is written. @throws as `Method.open`. */
  open(matrix: MatrixRows, signal?: AbortSignal): Promise<RowQuantizer>;
  /** Inputs of the matrix are rounded to this grid while the graph runs (static quantization). */
  readonly input?: ActivationGrid;
}

/**
 * Slabs of codes of a matrix, in order; each is whole groups of the grid, except the last.
 * @param multiple of so many rows that slabs start at.
 */
export async function* quantizedSlabs(
  choice: MatrixChoice,
  matrix: MatrixRows,
  signal?: AbortSignal,
  multiple = 1,
): AsyncGenerator<QuantizedRows & { readonly first: number }> {
  const quantizer = await choice.open(matrix, signal);
  const rowMultiple = multiple * wholeRows(choice.grid, matrix.shape[1]);
  for await (const { first, values } of matrix.slabs(rowMultiple, signal)) {
    const slab = await quantizer.quantize(values, signal);
    if (slab.groupOfColumn)
      throw unsupported(
        said`Its columns were quantized in an order of their own, and operators of ONNX take groups of adjacent columns only; choose static groups or no reordering.`,
      );
    if (slab.columnScales)
      throw unsupported(
        said`Its columns were scaled on their own, and operators of ONNX have no such scales; choose a method without them.`,
      );
    yield { ...slab, first };
  }
}

export const unsupported = (message: string): QuantscopeError => new QuantscopeError('UNSUPPORTED', message);

/** The part of a grid that no operator of ONNX has, as a sentence; undefined when there is none. */
export function refuseGrid({ outliers, levels, zero, global, double }: Grid): string | undefined {
  if (global) return said`Operators of ONNX have no scale of the whole tensor on top of those of groups.`;
  if (double)
    return said`Operators of ONNX have scales in float32; scales that are quantized themselves would only lose by it.`;
  if (zero === 'minimum')
    return said`Operators of ONNX subtract a zero point from codes; they add no minimum to the scaled weight.`;
  if (outliers) return said`Columns that stay in half precision have no place in an operator of ONNX.`;
  if (levels.kind === 'integer' && levels.bits > 8) return said`Codes have at most 8 bits.`;
  return undefined;
}

/** What codes are multiplied with: grids may have several codes to a scale. */
export function codeScales({ scales, grid: { perScale = 1 } }: QuantizedRows): Float32Array {
  return perScale === 1 ? scales : scales.map((scale) => scale * Math.fround(1 / perScale));
}
