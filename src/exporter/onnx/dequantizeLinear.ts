import type { ElementType } from '../../graph/elementTypes';
import type { Attribute, Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import type { Grid } from '../../protocol/grids';
import { said } from '../../protocol/said';
import { refuseGrid, unsupported } from './storage';

/** A grid as DequantizeLinear expresses it, for a matrix `[out, in]`. */
export interface LinearCodes {
  readonly type: ElementType;
  readonly group: 'tensor' | 'row' | number;
  /** Scales of a row. */
  readonly perRow: number;
  readonly hasZeros: boolean;
  /** Two codes share a byte. */
  readonly isHalfByte: boolean;
  /** "I4 in groups of 32". */
  readonly label: string;
}

/**
 * @see https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html (opset 21)
 * @throws QuantscopeError UNSUPPORTED for a grid that it does not express.
 */
export function linearCodes(grid: Grid, columns: number): LinearCodes {
  const type = codeType(grid);
  const group = groupOf(grid);
  const groups = group === 'tensor' ? '' : group === 'row' ? ' per row' : ` in groups of ${group}`;
  return {
    ...{ type, group, label: type + groups },
    perRow: typeof group === 'number' ? Math.ceil(columns / group) : 1,
    hasZeros: grid.zero !== undefined,
    isHalfByte: type === 'I4' || type === 'U4',
  };
}

/**
 * Codes as float32.
 * @param inputAxis axis of the codes along which the inputs of the matrix lie: 1 in `[out, in]`, 0 in `[in, out]`.
 */
export function dequantize(
  { graph }: Ops,
  { group }: LinearCodes,
  values: readonly Value[],
  inputAxis: 0 | 1,
  name: string,
): Value {
  const attributes: Record<string, Attribute> =
    group === 'tensor'
      ? {}
      : group === 'row'
        ? { axis: 1 - inputAxis }
        : { axis: inputAxis, block_size: group };
  return graph.node('DequantizeLinear', values, attributes, undefined, `${name}/dequantize`);
}

/** Codes or zero points as they are stored: of less than a byte two in each, the first in the low half. */
export function packed(codes: Uint8Array, { isHalfByte }: LinearCodes): Uint8Array {
  if (!isHalfByte) return codes;
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (codes[2 * i]! & 15) | (((codes[2 * i + 1] ?? 0) & 15) << 4);
  return bytes;
}

/** Bytes of so many codes. */
export const codeBytes = (count: number, { isHalfByte }: LinearCodes): number =>
  isHalfByte ? count / 2 : count;

function codeType(grid: Grid): ElementType {
  const reason = refuseGrid(grid);
  if (reason !== undefined) throw unsupported(reason);
  if (grid.zero === 'float') throw unsupported(said`Zero points of DequantizeLinear are integers.`);
  const { levels } = grid;
  if (levels.kind === 'integer') {
    const small = levels.bits <= 4;
    return levels.signed ? (small ? 'I4' : 'I8') : small ? 'U4' : 'U8';
  }
  if (levels.kind === 'table')
    throw unsupported(said`DequantizeLinear has no table of values; MatMulBnb4 holds ${levels.table}.`);
  const { exponent, mantissa, special, bias = 2 ** (exponent - 1) - 1 } = levels;
  if (exponent === 4 && mantissa === 3 && special === 'nan' && bias === 7) return 'F8_E4M3';
  if (exponent === 5 && mantissa === 2 && special === 'ieee' && bias === 15) return 'F8_E5M2';
  throw unsupported(said`Of floats, opset 21 dequantizes E4M3 (with NaN only) and E5M2 (IEEE).`);
}

function groupOf({ group }: Grid): LinearCodes['group'] {
  if (group === 'tensor' || group === 'row' || typeof group === 'number') return group;
  throw unsupported(said`DequantizeLinear has one scale for the tensor, per row, or per group of a row.`);
}
