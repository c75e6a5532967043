import { bytesOf } from './bytes';
import { codeBytes, dequantize, linearCodes, packed } from './dequantizeLinear';
import { codeScales, quantizedSlabs, type MatrixChoice, type MatrixStorage } from './storage';

/**
 * Codes and scales for DequantizeLinear, `[out, in]`, followed by Gemm. Runtimes compute such a product as it is written, in float32;
 * ONNX Runtime has no faster operator to replace it by, and decodes the matrix in each run.
 * @throws QuantscopeError UNSUPPORTED for a grid that DequantizeLinear does not express.
 */
export function qdqStorage(choice: MatrixChoice, [rows, columns]: readonly [number, number]): MatrixStorage {
  const codes = linearCodes(choice.grid, columns);
  const { type, group, perRow, hasZeros } = codes;
  const dims = group === 'tensor' ? [] : group === 'row' ? [rows] : [rows, perRow];
  return {
    label: `QDQ ${codes.label}`,
    parts: [
      { suffix: '_quantized', type, dims: [rows, columns] },
      { suffix: '_scales', type: 'F32', dims },
      ...(hasZeros ? [{ suffix: '_zero_points', type, dims }] : []),
    ],
    product(ops, x, values, name) {
      const weight = dequantize(ops, codes, values, 1, name);
      return ops.graph.node('Gemm', [x, weight], { transB: 1 }, undefined, name);
    },
    async fill(matrix, write, signal) {
      // Half bytes of two rows may share a byte.
      for await (const slab of quantizedSlabs(choice, matrix, signal, codes.isHalfByte ? 2 : 1)) {
        const { first } = slab;
        await write(0, codeBytes(first * columns, codes), packed(slab.codes, codes));
        // One scale for the tensor comes with each slab.
        if (group === 'tensor' && first > 0) continue;
        await write(1, first * perRow * 4, bytesOf(codeScales(slab)));
        if (slab.zeros)
          await write(
            2,
            codeBytes(first * perRow, codes),
            packed(
              Uint8Array.from(slab.zeros, (zero) => zero & 255),
              codes,
            ),
          );
      }
    },
  };
}
