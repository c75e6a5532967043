import { leadingOf, type Slice } from './slice';

/** Values of a slice, row by row, as other programs read them. */
export interface SliceValues {
  readonly slice: Slice;
  /** `rows × columns`. */
  readonly values: ArrayLike<number>;
  /** Of the tensor; decides how many digits tell its numbers apart. */
  readonly dtype: string;
}

/** The fewest digits that give a float32 back; all digits of other numbers. */
export function shortest(value: number): string {
  if (Math.fround(value) !== value || Number.isInteger(value)) return String(value);
  for (let digits = 4; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(Number(value.toPrecision(9)));
}

/** A line of column indices, then one for each row: its index in each leading dimension, and its values. */
export function csvOf({ slice, values }: SliceValues): string {
  const leading = Math.max(0, slice.parts.length - 1);
  const names = leading === 1 ? ['row'] : Array.from({ length: leading }, (_, i) => `dimension ${i}`);
  const columns = Array.from({ length: slice.columns }, (_, i) => slice.firstColumn + i);
  const lines = [[...names, ...columns].join(',')];
  for (let row = 0; row < slice.rows; row++) {
    const cells = rowValues(values, row, slice.columns).map(shortest);
    lines.push([...leadingOf(slice, row), ...cells].join(','));
  }
  return `${lines.join('\n')}\n`;
}

const rowValues = (values: ArrayLike<number>, row: number, columns: number): number[] =>
  Array.from({ length: columns }, (_, column) => values[row * columns + column]!);

/** Types of NumPy by dtypes that it has; everything else is read as float32. */
const numpyTypes: Readonly<Record<string, string>> = {
  ...{ F64: 'float64', F16: 'float16', BOOL: 'bool_' },
  ...{ I8: 'int8', I16: 'int16', I32: 'int32', I64: 'int64' },
  ...{ U8: 'uint8', U16: 'uint16', U32: 'uint32', U64: 'uint64' },
};

/** An expression for NumPy (imported as np): the array that the slice is. */
export function numpyOf({ slice, values, dtype }: SliceValues): string {
  const sizes = slice.parts.filter(({ isIndex }) => !isIndex).map(({ count }) => count);
  const type = numpyTypes[dtype] ?? 'float32';
  const literal = (value: number): string => {
    if (Number.isNaN(value)) return 'np.nan';
    if (!Number.isFinite(value)) return value > 0 ? 'np.inf' : '-np.inf';
    if (type === 'bool_') return value === 0 ? 'False' : 'True';
    return Object.is(value, -0) ? '-0.0' : shortest(value);
  };
  const indent = 'np.array('.length;
  const nested = (depth: number, first: number): string => {
    const size = sizes[depth];
    if (size === undefined) return literal(values[first]!);
    const step = sizes.slice(depth + 1).reduce((product, count) => product * count, 1);
    const items = Array.from({ length: size }, (_, i) => nested(depth + 1, first + i * step));
    const isInnermost = depth === sizes.length - 1;
    return `[${items.join(isInnermost ? ', ' : `,\n${' '.repeat(indent + depth + 1)}`)}]`;
  };
  return `np.array(${nested(0, 0)}, dtype=np.${type})\n`;
}
