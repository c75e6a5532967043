import { bytesOf } from './bytes';
import type { ElementType } from '../../graph/elementTypes';
import type { Grid } from '../../protocol/grids';
import type { QuantizedRows } from '../../quant/quantized';
import {
  codeScales,
  quantizedSlabs,
  refuseGrid,
  unsupported,
  type MatrixChoice,
  type MatrixStorage,
} from './storage';
import { Transposed } from './transposed';

/**
 * Codes and scales for DequantizeLinear, `[in, out]` as MatMul takes them: one scale for the tensor, one per output (axis 1), or one
 * per group of inputs (axis 0 with `block_size`). Symmetric grids have no zero points.
 * @see https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html (opset 21)
 * @throws QuantscopeError UNSUPPORTED for a grid that it does not express.
 */
export function qdqStorage(choice: MatrixChoice, [rows, columns]: readonly [number, number]): MatrixStorage {
  const { grid } = choice;
  const type = codeType(grid);
  const perColumn = scalesPerRow(grid, columns);
  const { group } = grid;
  const scaleDims = group === 'tensor' ? [] : group === 'row' ? [rows] : [perColumn, rows];
  const zeros = grid.zero === undefined ? [] : [{ suffix: '_zero_points', type, dims: scaleDims }];
  const attributes =
    group === 'tensor' ? {} : group === 'row' ? { axis: 1 } : { axis: 0, block_size: group as number };
  return {
    label: `QDQ ${type}${group === 'tensor' ? '' : group === 'row' ? ' per row' : ` in groups of ${group as number}`}`,
    parts: [
      { suffix: '_quantized', type, dims: [columns, rows] },
      { suffix: '_scales', type: 'F32', dims: scaleDims },
      ...zeros,
    ],
    product(ops, x, values, name) {
      const weight = ops.graph.node('DequantizeLinear', values, attributes, undefined, `${name}/dequantize`);
      return ops.graph.node('MatMul', [x, weight], {}, undefined, name);
    },
    async fill(matrix, write, signal) {
      const isHalf = type === 'I4' || type === 'U4';
      const codesTo = (part: number) => (at: number, codes: Uint8Array) =>
        isHalf ? write(part, at / 2, packNibbles(codes)) : write(part, at, codes);
      const bytes = (length: number) => new Uint8Array(length);
      // Nibbles of two rows share a byte where the number of rows is odd: then all are written at once.
      const rowMultiple = isHalf ? 2 : 1;
      const codes = new Transposed([rows, columns], bytes, codesTo(0), { rowMultiple });
      const scales = new Scales(group === 'tensor' ? 1 : rows, perColumn);
      for await (const slab of quantizedSlabs(choice, matrix, signal)) {
        await codes.add(slab.codes as Uint8Array<ArrayBuffer>);
        scales.add(slab);
      }
      await write(1, 0, bytesOf(scales.scales));
      if (grid.zero !== undefined)
        await codesTo(2)(
          0,
          Uint8Array.from(scales.zeros, (zero) => zero & 255),
        );
    },
  };
}

/** Scales and zero points `[groups, rows]` of rows that come in slabs. */
class Scales {
  readonly scales: Float32Array<ArrayBuffer>;
  readonly zeros: Float32Array<ArrayBuffer>;
  private row = 0;

  constructor(
    private readonly rows: number,
    private readonly groups: number,
  ) {
    this.scales = new Float32Array(rows * groups);
    this.zeros = new Float32Array(rows * groups);
  }

  add(slab: QuantizedRows): void {
    const { rows, groups } = this;
    const scales = codeScales(slab);
    for (let i = 0; i < scales.length; i++) {
      // One scale for the tensor comes with each slab.
      const row = Math.min(rows - 1, this.row + Math.floor(i / groups));
      const at = (i % groups) * rows + row;
      this.scales[at] = scales[i]!;
      this.zeros[at] = slab.zeros?.[i] ?? 0;
    }
    this.row += scales.length / groups;
  }
}

function codeType({ levels, ...grid }: Grid): ElementType {
  const reason = refuseGrid({ levels, ...grid });
  if (reason !== undefined) throw unsupported(reason);
  if (grid.zero === 'float') throw unsupported('Zero points of DequantizeLinear are integers.');
  if (levels.kind === 'integer') {
    const small = levels.bits <= 4;
    return levels.signed ? (small ? 'I4' : 'I8') : small ? 'U4' : 'U8';
  }
  if (levels.kind === 'table')
    throw unsupported(`DequantizeLinear has no table of values; MatMulBnb4 holds ${levels.table}.`);
  const { exponent, mantissa, special, bias = 2 ** (exponent - 1) - 1 } = levels;
  if (exponent === 4 && mantissa === 3 && special === 'nan' && bias === 7) return 'F8_E4M3';
  if (exponent === 5 && mantissa === 2 && special === 'ieee' && bias === 15) return 'F8_E5M2';
  throw unsupported('Of floats, opset 21 dequantizes E4M3 (with NaN only) and E5M2 (IEEE).');
}

function scalesPerRow({ group }: Grid, columns: number): number {
  if (group === 'tensor' || group === 'row') return 1;
  if (typeof group === 'number') return Math.ceil(columns / group);
  throw unsupported('DequantizeLinear has one scale for the tensor, per row, or per group of a row.');
}

/** Two codes a byte, the first in the low half. */
function packNibbles(codes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < packed.length; i++)
    packed[i] = (codes[2 * i]! & 15) | (((codes[2 * i + 1] ?? 0) & 15) << 4);
  return packed;
}
