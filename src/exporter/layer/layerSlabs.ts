import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import { QuantscopeError } from '../../model/errors';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { Grid } from '../../protocol/grids';
import type { TensorDescriptor } from '../../protocol/model';
import type { EvidenceKind, MethodOptions } from '../../protocol/recipe';
import { formatById } from '../../quant/catalogue';
import { foundEvidence, methodEvidence, type EvidenceSource } from '../../quant/evidence';
import { gridBytes } from '../../quant/grids/gridSize';
import { decodeRows } from '../../quant/grids/roundToNearest';
import type { Method } from '../../quant/methods/method';
import type { QuantizedRows } from '../../quant/quantized';
import { encodeBlocks } from '../../quant/codec';
import { located, MatrixQuantizer, type MatrixFigures } from '../checkpoint/quantizeMatrix';
import { readRows, rowsFrom } from '../checkpoint/readRows';
import type { LayerTarget } from './layerTarget';

/** One matrix, and how it is quantized. */
export interface LayerWork {
  readonly model: Model;
  readonly tensor: TensorDescriptor;
  readonly target: LayerTarget;
  readonly method: Method;
  readonly options: MethodOptions;
  readonly evidence?: EvidenceSource | undefined;
  /** Dtype that the reader of a saved layer rounds decoded weights to. */
  readonly decodedTo?: 'F16' | 'BF16' | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWeights?: ((weights: number) => void) | undefined;
}

/** Some whole rows before and after, `[rows, columns]`. */
export interface LayerSlab {
  readonly original: Float32Array;
  readonly decoded: Float32Array;
}

/** Rows in a ggml type: also the blocks that they are stored as, row after row. */
export interface BlockSlab extends LayerSlab {
  readonly blocks: Uint8Array;
}

/** What is known of a matrix once it is quantized. */
export interface LayerFigures extends Pick<MatrixFigures, 'evidence' | 'biasCorrection'> {
  /** Of codes, scales and zero points, densely packed. */
  readonly bytes: number;
}

type Use<Slab> = (slab: Slab) => Promise<void>;

/**
 * Quantizes a matrix; `use` receives its rows in order, before and after.
 * @throws QuantscopeError as `MatrixQuantizer`.
 */
export function eachSlab(work: LayerWork, use: Use<LayerSlab>): Promise<LayerFigures> {
  const { target } = work;
  return 'grid' in target ? gridSlabs(work, target.grid, use) : blockSlabs(work, target.type, use);
}

/**
 * Quantizes a matrix to a grid; `store` receives its rows as they come.
 * @throws QuantscopeError as `MatrixQuantizer`.
 */
export async function quantizeLayer(
  { tensor, method, options, ...work }: LayerWork,
  grid: Grid,
  store: (slabs: AsyncIterable<QuantizedRows>) => Promise<void>,
): Promise<MatrixFigures> {
  const { rows, columns } = matrixOf(tensor.shape);
  const weight = { name: tensor.name, shape: [rows, columns], grid, dtype: tensor.dtype };
  const quantizer = new MatrixQuantizer(work);
  return quantizer.quantize({ tensor, matrix: { weight, method, options, rule: 0, sharesRange: [] } }, store);
}

async function gridSlabs(work: LayerWork, grid: Grid, use: Use<LayerSlab>): Promise<LayerFigures> {
  const { model, tensor, signal } = work;
  const { rows, columns } = matrixOf(tensor.shape);
  let row = 0;
  let outliers: number | undefined;
  const figures = await quantizeLayer(work, grid, async (slabs) => {
    for await (const slab of slabs) {
      const original = await rowsFrom(model, tensor, row, slab.rows, signal);
      outliers = slab.outliers?.columns.length;
      await use({ original, decoded: await decodeRows(slab, signal) });
      row += slab.rows;
    }
  });
  return { ...figures, bytes: gridBytes(grid, rows, columns, outliers) };
}

/**
 * Quantizes a matrix to a ggml type; `use` receives its rows in order, before and after.
 * @throws QuantscopeError REQUEST where the type does not fit the matrix or evidence is missing, MODEL_FILE, IO, CANCELLED.
 */
export async function blockSlabs(
  work: LayerWork,
  type: GgmlQuantType,
  use: Use<BlockSlab>,
): Promise<LayerFigures> {
  const { model, tensor, signal, onWeights } = work;
  const { columns } = matrixOf(tensor.shape);
  const format = formatById(type);
  const refusal = format.refuse(tensor.shape);
  if (refusal !== undefined)
    throw new QuantscopeError('REQUEST', refusal, { file: tensor.file, tensor: tensor.name });
  const { evidence, quantize } = await blockQuantizer(work, type, columns);
  for await (const slab of readRows(model, tensor, { signal })) {
    const { values } = slab;
    const original = values.slice();
    const decoded = new Float32Array(values.length);
    const blocks = await quantize(values, slab.firstRow).catch((error: unknown) => {
      throw located(tensor, { ...slab, values: original }, error);
    });
    await loadNative().decode(type, blocks, decoded, signal);
    onWeights?.(values.length);
    await use({ original, decoded, blocks });
  }
  return { evidence, bytes: format.bytes(tensor.shape) };
}

interface OpenedQuantizer {
  readonly evidence: EvidenceKind;
  readonly quantize: (values: Float32Array, firstRow: number) => Promise<Uint8Array>;
}

async function blockQuantizer(
  { method, tensor, options, evidence, signal }: LayerWork,
  type: GgmlQuantType,
  columns: number,
): Promise<OpenedQuantizer> {
  if (method.id === 'rtn') {
    return {
      evidence: 'none',
      quantize: async (values) => (await encodeBlocks(type, values, columns, { signal })).codes,
    };
  }
  const { rows } = matrixOf(tensor.shape);
  const needed = methodEvidence(method, options);
  const known = await evidence?.for(tensor.name, needed, { signal });
  const task = { name: tensor.name, type, shape: [rows, columns] as const, options, evidence: known ?? {} };
  const quantizer = await method.blocks!.open(task, signal);
  return {
    evidence: quantizer.evidence ?? foundEvidence(needed, known),
    quantize: (values, firstRow) => quantizer.quantize(values, firstRow, signal),
  };
}
