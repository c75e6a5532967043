import type { ElementType } from '../../graph/elementTypes';
import type { Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import { QuantscopeError } from '../../model/errors';
import type { Grid } from '../../protocol/grids';
import type { QuantizedRows } from '../../quant/quantized';
import type { RowQuantizer } from '../../quant/methods/method';

/** A tensor of the file that a matrix is stored in. */
export interface StoredPart {
  /** What follows the matrix's name. */
  readonly suffix: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** Writes bytes of a part, from an offset in it on. */
export type WritePart = (part: number, offset: number, bytes: Uint8Array) => Promise<void>;

/** Some whole rows of a matrix `[out, in]`. */
export interface FloatRows {
  readonly first: number;
  readonly rows: number;
  readonly values: Float32Array<ArrayBuffer>;
}

/** How one matrix `[out, in]` is stored in an ONNX file, and multiplied with. */
export interface MatrixStorage {
  /** What lists show: "MatMulNBits 4 bit". */
  readonly label: string;
  readonly parts: readonly StoredPart[];
  /** Slabs are whole multiples of so many rows, except the last. */
  readonly rowMultiple: number;
  /** x `[…, in]` → `[…, out]`; `values` are the parts. */
  product(ops: Ops, x: Value, values: readonly Value[], name: string): Value;
  /** Writes all parts from the rows, which come in order. */
  fill(rows: AsyncIterable<FloatRows>, write: WritePart, signal?: AbortSignal): Promise<void>;
}

/** How the codes of a grid are stored; each has one file of this folder. */
export type CodeStorage = 'qdq' | 'matmulnbits' | 'matmulbnb4';

/** What is chosen for a matrix: its grid, who finds its codes, and how they are stored. */
export interface MatrixChoice {
  readonly grid: Grid;
  readonly storage: CodeStorage;
  /** Opened right before the matrix is written. @throws as `Method.open`. */
  open(signal?: AbortSignal): Promise<RowQuantizer>;
}

/** Slabs of float rows → slabs of codes. */
export async function* quantized(
  { open }: Pick<MatrixChoice, 'open'>,
  rows: AsyncIterable<FloatRows>,
  signal?: AbortSignal,
): AsyncGenerator<QuantizedRows & { readonly first: number }> {
  const quantizer = await open(signal);
  for await (const { first, values } of rows) {
    const slab = await quantizer.quantize(values, signal);
    if (slab.groupOfColumn)
      throw unsupported(
        'Its columns were quantized in an order of their own, and operators of ONNX take groups of adjacent columns only; choose static groups or no reordering.',
      );
    yield { ...slab, first };
  }
}

export const unsupported = (message: string): QuantscopeError => new QuantscopeError('UNSUPPORTED', message);

/** The part of a grid that no operator of ONNX has, as a sentence; undefined when there is none. */
export function refuseGrid({ outliers, levels, zero }: Grid): string | undefined {
  if (zero === 'minimum')
    return 'Operators of ONNX subtract a zero point from codes; they add no minimum to the scaled weight.';
  if (outliers) return 'Columns that stay in half precision have no place in an operator of ONNX.';
  if (levels.kind === 'integer' && levels.bits > 8) return 'Codes have at most 8 bits.';
  return undefined;
}

/** Scales as one number per group: those of the grid that all weights share are part of them. */
export function plainScales({ scales, globalScale = 1, grid }: QuantizedRows): Float32Array {
  const { perScale = 1 } = grid;
  if (globalScale === 1 && perScale === 1) return scales;
  return scales.map((scale) => (scale / globalScale) * Math.fround(1 / perScale));
}

export const bytesOf = (values: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
