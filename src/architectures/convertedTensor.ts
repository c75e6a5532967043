import { matrixOf, readAs } from '../model/rows';
import { dtypeNamed } from '../model/dtypes';
import type { TensorDescriptor } from '../protocol/model';
import type { RowFactor, Unit, WeightMap } from './description';

/** A tensor of a GGUF file to be written, and where its weights come from. */
export interface ConvertedTensor {
  /** Name in GGUF. */
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /**
   * Weights per row of `pieces` that become part of the tensor: entries of a vector are rows where they are picked or reordered, and a
   * transposed unit may leave columns out.
   */
  readonly columns: number;
  /** Rows of the sources, in the order of the file. */
  readonly pieces: readonly Piece[];
  /** What happens to every so many rows. */
  readonly unit?: Unit;
  /** Added to each weight. */
  readonly add?: number;
  /** What each weight becomes. */
  readonly map?: WeightMap;
  /** What weights are multiplied by, row after row of the file. */
  readonly factors?: readonly RowFactor[];
}

export interface Piece {
  readonly tensor: TensorDescriptor;
  readonly firstRow: number;
  readonly rows: number;
  /** From one row to the next; 1 when absent. */
  readonly step?: number;
}

/** Some of a piece's rows, counted from its first one. */
export const partOf = ({ tensor, firstRow, step = 1 }: Piece, first: number, rows: number): Piece => ({
  ...{ tensor, firstRow: firstRow + first * step, rows },
  ...(step === 1 ? {} : { step }),
});

/** A tensor that a file holds in GGUF's layout. One of a type without a known layout is a row of bytes, which can be copied. */
export function unchanged(tensor: TensorDescriptor, name = tensor.name): ConvertedTensor {
  const { byteLength, shape } = tensor;
  if (!dtypeNamed(tensor.dtype) && !tensor.stored) {
    const bytes = { ...tensor, shape: [byteLength], elements: byteLength };
    return { name, shape, columns: 1, pieces: [{ tensor: bytes, firstRow: 0, rows: byteLength }] };
  }
  const { rows, columns } = matrixOf(tensor.shape);
  return { name, shape: tensor.shape, columns, pieces: [{ tensor, firstRow: 0, rows }] };
}

/** Whether the weights of the file are other numbers than those of its sources. */
export const changesWeights = (tensor: Pick<ConvertedTensor, 'add' | 'map' | 'factors'>): boolean =>
  tensor.add !== undefined || doesMore(tensor);

/** Whether they are, by more than a number that is added to each. */
export const doesMore = ({ map, factors }: Pick<ConvertedTensor, 'map' | 'factors'>): boolean =>
  map !== undefined || factors !== undefined;

/** Whether what the sources give as outputs goes into the tensor (attn_k_b): what is known of the inputs of the sources is not of its own. */
export const takesOutputs = ({ unit }: Pick<ConvertedTensor, 'unit'>): boolean => unit?.takesOutputs === true;

const maps: Readonly<Record<WeightMap, (weight: number) => number>> = {
  '-exp': (weight) => -Math.exp(weight),
};

/**
 * Makes decoded weights of the sources those of the file, in place.
 * @param firstWeight index of the first of them in the tensor.
 */
export function changeWeights(tensor: ConvertedTensor, values: Float32Array, firstWeight: number): void {
  const { add, map, factors } = tensor;
  const change = map === undefined ? undefined : maps[map];
  if (change) for (let i = 0; i < values.length; i++) values[i] = change(values[i]!);
  if (factors) multiplyRows(factors, matrixOf(tensor.shape).columns, values, firstWeight);
  if (add !== undefined) for (let i = 0; i < values.length; i++) values[i] = values[i]! + add;
}

/** Multiplies rows of a matrix, or of what has as many, in place; `values` start at the weight `firstWeight`. */
export function multiplyRows(
  factors: readonly RowFactor[],
  columns: number,
  values: Float32Array,
  firstWeight: number,
): void {
  let start = -firstWeight;
  for (const { rows, factor } of factors) {
    const end = start + rows * columns;
    for (let i = Math.max(0, start); i < Math.min(end, values.length); i++) values[i] = values[i]! * factor;
    start = end;
  }
}

/** The factors of rows from one on. */
export function factorsFrom(factors: readonly RowFactor[], firstRow: number): RowFactor[] {
  let before = firstRow;
  return factors.flatMap(({ rows, factor }) => {
    const left = rows - Math.min(before, rows);
    before -= Math.min(before, rows);
    return left > 0 ? [{ rows: left, factor }] : [];
  });
}

/** The source tensors, each once. */
export function sourcesOf({ pieces }: ConvertedTensor): TensorDescriptor[] {
  return [...new Set(pieces.map(({ tensor }) => tensor))];
}

/** Dtype of the sources, the type of their blocks where they read as such; undefined when they differ. */
export function sourceDtype(converted: ConvertedTensor): string | undefined {
  const dtypes = new Set(
    sourcesOf(converted).map((tensor) => (tensor.stored?.reads ? readAs(tensor).dtype : tensor.dtype)),
  );
  return dtypes.size === 1 ? [...dtypes][0] : undefined;
}
