import { matrixOf, maxRowWeights, partWeights } from '../model/rows';
import { e4m3, e5m2 } from '../quant/grids/libraries';
import { floatValues, tableValues } from '../quant/grids/levels';
import type { ReadPart, RowDecoder, StoredDescriptor } from './layout';
import { PartReader } from './parts';
import { checkSizes } from './quantscopeParts';

/** How a format stored weights before files described grids. Scales and zeros are float32; codes have 8 bits, or 4, each row from a byte on. */
interface OldFormat {
  /** Values of the codes. */
  readonly values: Float32Array;
  /** Weights of a row that share a scale. */
  readonly group: 'tensor' | 'row' | number;
  /** value / scale, (value − zero) / scale, zero + value · scale, or value · scale. */
  readonly rule: 'quotient' | 'zero point' | 'minimum' | 'product';
  /** Set where the first of two codes is in the high bits. */
  readonly highFirst?: true;
}

const integers = (count: number, first: number): Float32Array =>
  Float32Array.from({ length: count }, (_, code) => code + first);
const bytes = Float32Array.from({ length: 256 }, (_, code) => (code << 24) >> 24);

const formats: Readonly<Record<string, OldFormat>> = {
  nf4: { values: tableValues.nf4, group: 64, rule: 'product', highFirst: true },
  'block-int4-sym': { values: integers(16, -8), group: 32, rule: 'quotient' },
  'block-int4-asym': { values: integers(16, 0), group: 32, rule: 'minimum' },
  'minmax-int4': { values: integers(16, 0), group: 'tensor', rule: 'minimum' },
  'minmax-int8': { values: integers(256, 0), group: 'tensor', rule: 'minimum' },
  'absmax-int8': { values: bytes, group: 'tensor', rule: 'quotient' },
  'rowwise-int8': { values: bytes, group: 'row', rule: 'quotient' },
  'zeropoint-int8': { values: bytes, group: 'tensor', rule: 'zero point' },
  'fp8-e4m3': { values: floatValues(e4m3), group: 'tensor', rule: 'quotient' },
  'fp8-e5m2': { values: floatValues(e5m2), group: 'tensor', rule: 'quotient' },
  'fp8-e4m3-row': { values: floatValues(e4m3), group: 'row', rule: 'quotient' },
  'fp8-e5m2-row': { values: floatValues(e5m2), group: 'row', rule: 'quotient' },
};

/** Whether version 1 of the layout had a format. */
export const isOldFormat = (id: string): boolean => Object.hasOwn(formats, id);

const hasZeros = ({ rule }: OldFormat): boolean => rule === 'zero point' || rule === 'minimum';

/** Bytes of the codes of a row, and its groups; none where one scale serves the tensor. */
function sizesOf({ values, group }: OldFormat, columns: number): { codeBytes: number; groups: number } {
  const length = typeof group === 'number' ? group : columns;
  return {
    codeBytes: values.length === 16 ? Math.ceil(columns / 2) : columns,
    groups: group === 'tensor' ? 0 : Math.ceil(columns / length),
  };
}

/** The decoder of a weight whose format `isOldFormat`. @throws QuantscopeError MODEL_FILE for parts of another size than it has. */
export function oldDecoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const format = formats[weight.dtype]!;
  const parts = new PartReader(weight, read);
  const { rows, columns } = matrixOf(weight.shape);
  const { codeBytes, groups } = sizesOf(format, columns);
  const parameters = 4 * (rows * groups || 1);
  checkSizes(weight, {
    ...{ codes: rows * codeBytes, scales: parameters, zeros: hasZeros(format) ? parameters : 0 },
  });
  return {
    // Groups never cross the start of a part.
    step: columns <= maxRowWeights ? columns : partWeights,
    async read({ row, column, rows: count, width }, target, signal) {
      const before = column === 0 ? { codeBytes: 0, groups: 0 } : sizesOf(format, column);
      const own = sizesOf(format, width);
      const span =
        groups === 0 ? ([0, 1] as const) : ([row * groups + before.groups, count * own.groups] as const);
      const start = row * codeBytes + before.codeBytes;
      decode(format, width, target, {
        codes: await parts.bytes('codes', start, count * own.codeBytes, signal),
        scales: await parts.floats('scales', ...span, signal),
        ...(hasZeros(format) ? { zeros: await parts.floats('zeros', ...span, signal) } : {}),
      });
    },
  };
}

/** In float32, each step rounded. */
function decode(
  format: OldFormat,
  columns: number,
  target: Float32Array,
  {
    codes,
    scales,
    zeros,
  }: { readonly codes: Uint8Array; readonly scales: Float32Array; readonly zeros?: Float32Array },
): void {
  const { values, group, highFirst } = format;
  const { codeBytes, groups } = sizesOf(format, columns);
  const length = typeof group === 'number' ? group : columns;
  for (let at = 0; at < target.length; at++) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const index = groups === 0 ? 0 : row * groups + Math.floor(column / length);
    const byte = codes[row * codeBytes + (values.length === 16 ? column >> 1 : column)]!;
    const isHigh = (column % 2 === 0) === (highFirst === true);
    const code = values.length === 16 ? (isHigh ? byte >> 4 : byte & 15) : byte;
    target[at] = valueOf(format, values[code]!, scales[index]!, zeros?.[index] ?? 0);
  }
}

function valueOf({ rule }: OldFormat, level: number, scale: number, zero: number): number {
  switch (rule) {
    case 'product':
      return level * scale;
    case 'minimum':
      return zero + Math.fround(level * scale);
    case 'zero point':
      return Math.fround(level - zero) / scale;
    case 'quotient':
      return scale === 0 ? 0 : level / scale;
  }
}
