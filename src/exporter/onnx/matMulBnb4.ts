import { bytesOf } from './bytes';
import type { Grid } from '../../protocol/grids';
import { said } from '../../protocol/said';
import { codeScales, quantizedSlabs, refuseGrid, unsupported } from './storage';
import type { MatrixChoice, MatrixStorage } from './storage';

/** `quant_type` by the table. */
const quantTypes = { fp4: 0, nf4: 1 } as const;

/**
 * Codes and scales for MatMulBnb4 of ONNX Runtime: `B` are the codes of the flattened matrix `[out, in]`, the first of two in the high
 * half of a byte; one float32 absmax per block.
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulBnb4
 * @throws QuantscopeError UNSUPPORTED for a grid that it does not express.
 */
export function matMulBnb4Storage(
  choice: MatrixChoice,
  [rows, columns]: readonly [number, number],
): MatrixStorage {
  const { table, block } = tableBlocks(choice.grid, columns);
  const weights = rows * columns;
  const attributes = { K: columns, N: rows, block_size: block, quant_type: quantTypes[table] };
  return {
    label: `MatMulBnb4 ${table} in blocks of ${block}`,
    parts: [
      { suffix: '_Bnb4', type: 'U8', dims: [Math.ceil(weights / 2)] },
      { suffix: '_absmax', type: 'F32', dims: [Math.ceil(weights / block)] },
    ],
    product: (ops, x, values, name) =>
      ops.graph.node('MatMulBnb4', [x, ...values], attributes, 'contrib', name),
    async fill(matrix, write, signal) {
      for await (const slab of quantizedSlabs(choice, matrix, signal)) {
        const start = slab.first * columns;
        await write(0, start / 2, packHighFirst(slab.codes));
        await write(1, (start / block) * 4, bytesOf(codeScales(slab)));
      }
    },
  };
}

function tableBlocks(grid: Grid, columns: number): { table: 'nf4' | 'fp4'; block: number } {
  const reason = refuseGrid(grid);
  if (reason !== undefined) throw unsupported(reason);
  const { levels, group } = grid;
  if (levels.kind !== 'table') throw unsupported(said`MatMulBnb4 holds NF4 and FP4.`);
  const block =
    typeof group === 'number' && columns % group === 0
      ? group
      : typeof group === 'object' && 'flat' in group
        ? group.flat
        : undefined;
  if (block === undefined || block < 16 || !Number.isInteger(Math.log2(block)))
    throw unsupported(
      said`MatMulBnb4 has blocks of 16 or more weights, a power of two, of the flattened matrix.`,
    );
  return { table: levels.table, block };
}

function packHighFirst(codes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < packed.length; i++) packed[i] = (codes[2 * i]! << 4) | (codes[2 * i + 1] ?? 0);
  return packed;
}
