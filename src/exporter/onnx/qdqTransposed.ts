import type { QuantizedRows } from '../../quant/quantized';
import { bytesOf } from './bytes';
import { codeBytes, dequantize, linearCodes, packed } from './dequantizeLinear';
import { codeScales, quantizedSlabs, type MatrixChoice, type MatrixStorage } from './storage';
import { Transposed } from './transposed';
import { said } from '../../protocol/said';

const fusableNote = said`ONNX Runtime replaces products with these weights by MatMulNBits, which rounds their inputs to 8 bits: faster, but logits change by about 0.1. The session option session.qdq_matmulnbits_accuracy_level = 1 keeps float32, and so does the exact form of the same weights.`;

/**
 * Codes and scales for DequantizeLinear, `[in, out]`, followed by MatMul, which runtimes replace by operators on integers: where
 * inputs are rounded by the graph, by a product of the codes, which changes nothing; otherwise by one that rounds inputs as it likes.
 * @throws QuantscopeError UNSUPPORTED for a grid that DequantizeLinear does not express.
 */
export function transposedQdqStorage(
  choice: MatrixChoice,
  [rows, columns]: readonly [number, number],
): MatrixStorage {
  const codes = linearCodes(choice.grid, columns);
  const { type, group, perRow, hasZeros } = codes;
  const dims = group === 'tensor' ? [] : group === 'row' ? [rows] : [perRow, rows];
  const isFusable = choice.storage === 'qdq-fusable';
  return {
    label: `QDQ ${codes.label}${isFusable ? ', fusable' : ''}`,
    ...(isFusable ? { note: fusableNote } : {}),
    parts: [
      { suffix: '_quantized', type, dims: [columns, rows] },
      { suffix: '_scales', type: 'F32', dims },
      ...(hasZeros ? [{ suffix: '_zero_points', type, dims }] : []),
    ],
    product(ops, x, values, name) {
      const weight = dequantize(ops, codes, values, 0, name);
      return ops.graph.node('MatMul', [x, weight], {}, undefined, name);
    },
    async fill(matrix, write, signal) {
      const writeCodes = (at: number, part: Uint8Array) =>
        write(0, codeBytes(at, codes), packed(part, codes));
      const bytes = (length: number) => new Uint8Array(length);
      // Half bytes of two rows share a byte where the number of rows is odd: then all are written at once.
      const rowMultiple = codes.isHalfByte ? 2 : 1;
      const transposed = new Transposed([rows, columns], bytes, writeCodes, { rowMultiple });
      const scales = new TransposedScales(group === 'tensor' ? 1 : rows, perRow);
      for await (const slab of quantizedSlabs(choice, matrix, signal)) {
        await transposed.add(slab.codes as Uint8Array<ArrayBuffer>);
        scales.add(slab);
      }
      await write(1, 0, bytesOf(scales.scales));
      if (hasZeros)
        await write(
          2,
          0,
          packed(
            Uint8Array.from(scales.zeros, (zero) => zero & 255),
            codes,
          ),
        );
    },
  };
}

/** Scales and zero points `[groups, rows]` of rows that come in slabs. */
class TransposedScales {
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
