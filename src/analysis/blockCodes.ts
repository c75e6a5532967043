import type { BlockFactors, CodeReader, Groups } from '../model/codeRows';
import { ggmlType } from '../model/dtypes';
import type { Model } from '../model/model';
import { matrixOf } from '../model/rows';
import { loadNative, type LevelLayout } from '../native';
import type { StoredAnalysis } from '../protocol/analysis';
import { isStoredQuantized } from '../protocol/ggmlTypes';
import type { TensorDescriptor } from '../protocol/model';

/** Whether a tensor's data are blocks of a ggml type, whose codes and scales can be shown. */
export const hasBlocks = (tensor: TensorDescriptor): boolean => !tensor.stored && isStoredQuantized(tensor);

/** The codes of a tensor of a GGUF file: a weight is level · scale + minimum, with the scale and minimum of its group. */
export function blockCodes(model: Model, tensor: TensorDescriptor): CodeReader {
  const { dtype } = tensor;
  const { columns } = matrixOf(tensor.shape);
  const layout = loadNative().levelLayout(dtype);
  const rowBytes = (columns / layout.weights) * (ggmlType(dtype)!.bitsPerBlock / 8);
  return {
    levels: () => Promise.resolve(layout.levels),
    async read({ row, rows }, target, signal) {
      const blocks = new Uint8Array(rows * rowBytes);
      await model.readInto(tensor, row * rowBytes, blocks, signal);
      return readGroups(dtype, layout, blocks, { rows, columns, levels: target }, signal);
    },
  };
}

interface Rows {
  readonly rows: number;
  readonly columns: number;
  readonly levels: Float32Array;
}

async function readGroups(
  dtype: string,
  layout: LevelLayout,
  blocks: Uint8Array,
  { rows, columns, levels }: Rows,
  signal?: AbortSignal,
): Promise<Groups> {
  const count = columns / layout.group;
  const perRow = columns / layout.weights;
  const scales = new Float32Array(rows * count);
  const zeros = layout.hasZeros ? new Float32Array(rows * count) : undefined;
  const factors = layout.hasFactors ? new Float32Array(2 * rows * perRow) : undefined;
  await loadNative().readLevels(dtype, blocks, { levels, scales, zeros, factors }, signal);
  return {
    ...{ count, scales },
    ...(zeros ? { minimums: zeros } : {}),
    ...(factors ? { blocks: factorsOf(factors, perRow, layout.hasZeros) } : {}),
  };
}

/** The factors of scales and of minimums apart; those of minimums are stored as what is subtracted. */
function factorsOf(pairs: Float32Array, count: number, hasMinimums: boolean): BlockFactors {
  const scales = Float32Array.from({ length: pairs.length / 2 }, (_, i) => pairs[2 * i]!);
  const minimums = Float32Array.from({ length: pairs.length / 2 }, (_, i) => -pairs[2 * i + 1]!);
  return { count, scales, ...(hasMinimums ? { minimums } : {}) };
}

/** A part of a block: what it holds, how, and in how many bytes. */
type BlockPart = readonly [name: string, dtype: string, bytes: number];

const d: BlockPart = ['d (scale)', 'F16', 2];
const m: BlockPart = ['m (minimum)', 'F16', 2];
const dmin: BlockPart = ['dmin (factor of minimums)', 'F16', 2];
const factor: BlockPart = ['d (factor of scales)', 'F16', 2];
const codes = (dtype: string, bytes: number): BlockPart => ['codes', dtype, bytes];

/** What the blocks of each type are made of (docs/FORMATS.md). */
const blockParts: Readonly<Record<string, readonly BlockPart[]>> = {
  Q1_0: [d, codes('U1', 16)],
  Q2_0: [d, codes('U2', 16)],
  Q4_0: [d, codes('I4', 16)],
  Q4_1: [d, m, codes('U4', 16)],
  Q5_0: [d, codes('I5', 20)],
  Q5_1: [d, m, codes('U5', 20)],
  Q8_0: [d, codes('I8', 32)],
  Q2_K: [factor, dmin, ['scales and minimums', 'U4', 16], codes('U2', 64)],
  Q3_K: [factor, ['scales', 'I6', 12], codes('I3', 96)],
  Q4_K: [factor, dmin, ['scales and minimums', 'U6', 12], codes('U4', 128)],
  Q5_K: [factor, dmin, ['scales and minimums', 'U6', 12], codes('U5', 160)],
  Q6_K: [factor, ['scales', 'I8', 16], codes('I6', 192)],
  TQ1_0: [d, codes('base 3', 52)],
  TQ2_0: [d, codes('U2', 64)],
  MXFP4: [['scale', 'F8_E8M0', 1], codes('F4_E2M1', 16)],
  NVFP4: [['scales', 'F8_E4M3', 4], codes('F4_E2M1', 32)],
  IQ4_NL: [d, codes('U4 into a table', 16)],
  IQ4_XS: [factor, ['scales', 'I6', 6], codes('U4 into a table', 128)],
  IQ3_S: [factor, ['scales', 'U4', 4], ['lattice points', 'U9', 72], ['signs', 'U1', 32]],
  IQ3_XXS: [factor, ['scales and signs', 'U4 and U7', 32], ['lattice points', 'U8', 64]],
  IQ2_S: [factor, ['scales', 'U4', 8], ['lattice points', 'U10', 40], ['signs', 'U1', 32]],
  IQ2_XS: [factor, ['scales', 'U4', 8], ['lattice points and signs', 'U9 and U7', 64]],
  IQ2_XXS: [factor, ['scales and signs', 'U4 and U7', 32], ['lattice points', 'U8', 32]],
  IQ1_S: [factor, ['scales and shifts', 'U3 and U1', 4], ['lattice points', 'U11', 44]],
  IQ1_M: [
    ['d, scales', 'F16 and U3', 8],
    ['lattice points and shifts', 'U11 and U1', 48],
  ],
};

/** The parts of a tensor's blocks, all blocks together. */
export function partsOfBlocks({ dtype, elements }: TensorDescriptor): StoredAnalysis['parts'] {
  const { block, bitsPerBlock } = ggmlType(dtype)!;
  const blocks = elements / block;
  const parts = blockParts[dtype] ?? [['blocks', dtype, bitsPerBlock / 8]];
  return parts.map(([name, part, bytes]) => ({
    ...{ role: name, name, dtype: part, shape: [blocks], bytes: blocks * bytes },
  }));
}
