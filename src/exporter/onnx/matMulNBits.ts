import { bytesOf } from './bytes';
import type { Grid } from '../../protocol/grids';
import { said } from '../../protocol/said';
import { codeScales, quantizedSlabs, refuseGrid, unsupported } from './storage';
import type { MatrixChoice, MatrixStorage } from './storage';

/** Arithmetic of MatMulNBits: as the operator chooses, or in 32, 16, 16 (brain) and 8 bits. */
export type AccuracyLevel = 0 | 1 | 2 | 3 | 4;

/** Bits that the operator has kernels for. */
const knownBits = [2, 4, 8];

/** What ONNX Runtime accepts: powers of two from 16 to 256. */
const blockSizes = [16, 32, 64, 128, 256];

/**
 * Codes and scales for MatMulNBits of ONNX Runtime: `B` `[out, blocks, block_size · bits / 8]`, low bits first; scales `[out, blocks]`;
 * zero points `[out, ⌈blocks · bits / 8⌉]`, absent where all are 2^(bits−1). Signed codes are stored with 2^(bits−1) added.
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
 * @throws QuantscopeError UNSUPPORTED for a grid that it does not express.
 */
export function matMulNBitsStorage(
  choice: MatrixChoice,
  [rows, columns]: readonly [number, number],
  accuracyLevel: AccuracyLevel = 0,
): MatrixStorage {
  const { bits, block, offset } = integerGroups(choice.grid);
  const blocks = Math.ceil(columns / block);
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const { zero } = choice.grid;
  const isFloat = zero === 'float';
  const zeroPart = isFloat
    ? { suffix: '_zero_points', type: 'F32' as const, dims: [rows, blocks] }
    : { suffix: '_zero_points', type: 'U8' as const, dims: [rows, zeroBytes] };
  const attributes = { K: columns, N: rows, bits, block_size: block };
  return {
    label: `MatMulNBits ${bits} bit in groups of ${block}`,
    ...(accuracyLevel > 1 ? { note: roundingNote(accuracyLevel) } : {}),
    parts: [
      { suffix: `_Q${bits}`, type: 'U8', dims: [rows, blocks, (block * bits) / 8] },
      { suffix: '_scales', type: 'F32', dims: [rows, blocks] },
      ...(zero === undefined ? [] : [zeroPart]),
    ],
    product: (ops, x, values, name) =>
      ops.graph.node(
        'MatMulNBits',
        [x, ...values],
        accuracyLevel === 0 ? attributes : { ...attributes, accuracy_level: accuracyLevel },
        'contrib',
        name,
      ),
    async fill(matrix, write, signal) {
      for await (const slab of quantizedSlabs(choice, matrix, signal)) {
        const { first, codes, zeros } = slab;
        const packed = packRows(codes, { columns, block, bits, offset });
        await write(0, first * blocks * ((block * bits) / 8), packed);
        await write(1, first * blocks * 4, bytesOf(codeScales(slab)));
        if (!zeros) continue;
        if (isFloat) await write(2, first * blocks * 4, bytesOf(zeros.map((value) => value + offset)));
        else await write(2, first * zeroBytes, packZeros(zeros, { blocks, bits, offset }));
      }
    },
  };
}

function roundingNote(level: AccuracyLevel): string {
  const bits = level === 4 ? '8 bits' : '16 bits';
  return said`The accuracy level ${level} allows MatMulNBits to round inputs to ${bits}: logits then differ from those of the weights in float32.`;
}

/** What a grid is for the operator: unsigned codes of `bits` bits after `offset` is added, in blocks. */
function integerGroups(grid: Grid): { bits: number; block: number; offset: number } {
  const reason = refuseGrid(grid);
  if (reason !== undefined) throw unsupported(reason);
  const { levels, group, zero } = grid;
  if (levels.kind !== 'integer' || !knownBits.includes(levels.bits))
    throw unsupported(said`MatMulNBits holds integers of 2, 4 and 8 bits.`);
  if (typeof group !== 'number' || !blockSizes.includes(group))
    throw unsupported(said`MatMulNBits has groups of ${blockSizes.join(', ')} weights.`);
  const middle = 2 ** (levels.bits - 1);
  if (!levels.signed && zero === undefined)
    throw unsupported(said`MatMulNBits takes ${middle} for the zero point of codes that have none.`);
  return { bits: levels.bits, block: group, offset: levels.signed ? middle : 0 };
}

interface Packing {
  readonly columns: number;
  readonly block: number;
  readonly bits: number;
  /** Added to codes. */
  readonly offset: number;
}

/** Rows of codes, each filled up with zeros to whole blocks; low bits first. */
function packRows(codes: Uint8Array, { columns, block, bits, offset }: Packing): Uint8Array {
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  const blocks = Math.ceil(columns / block);
  const rows = codes.length / columns;
  const packed = new Uint8Array((rows * blocks * block) / perByte);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < blocks * block; column += perByte, at++) {
      let byte = 0;
      for (let i = 0; i < perByte; i++) {
        const code = column + i < columns ? codes[row * columns + column + i]! + offset : 0;
        byte |= (code & mask) << (i * bits);
      }
      packed[at] = byte;
    }
  }
  return packed;
}

/** Zero points, each row of them filled up to whole bytes with 2^(bits−1). */
function packZeros(
  zeros: Float32Array,
  { blocks, bits, offset }: { blocks: number; bits: number; offset: number },
): Uint8Array {
  const perByte = 8 / bits;
  const rowBytes = Math.ceil(blocks / perByte);
  const rows = zeros.length / blocks;
  const packed = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row++)
    for (let group = 0; group < rowBytes * perByte; group++) {
      const zero = group < blocks ? zeros[row * blocks + group]! + offset : 2 ** (bits - 1);
      packed[row * rowBytes + Math.floor(group / perByte)]! |= zero << ((group % perByte) * bits);
    }
  return packed;
}
