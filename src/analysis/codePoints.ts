import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { ggmlType } from '../model/dtypes';
import { matrixOf } from '../model/rows';
import { loadNative } from '../native';
import type { CodePoints } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { BadWeightError } from '../quant/badWeight';
import type { QuantFormat } from '../quant/format';
import { levelCodes } from '../quant/grids/levels';
import { decodeRows } from '../quant/grids/roundToNearest';
import type { BlockRows, QuantizedRows } from '../quant/quantized';
import { readRegion } from './region';
import { TensorReader } from './tensorReader';
import { encodeIn } from '../quant/codec';

/** Weights whose groups are looked at: rows at equal distances. */
const sampled = 1 << 18;

/**
 * The values that weights of a tensor can take in a format: codes times the median of the scales (by magnitude) that the format gives its groups.
 * Groups of at most 262,144 weights are looked at, in rows at equal distances.
 * @throws QuantscopeError UNSUPPORTED for a format that the tensor cannot take, MODEL_FILE for weights that are not finite.
 */
export async function codePoints(
  model: Model,
  tensor: TensorDescriptor,
  format: QuantFormat,
  signal?: AbortSignal,
): Promise<CodePoints> {
  const place = { file: tensor.file, tensor: tensor.name };
  const refused = format.refuse(tensor.shape);
  if (refused !== undefined) throw new QuantscopeError('UNSUPPORTED', refused, place);
  if (isPlain(format)) {
    const message = said`${format.id} rounds each weight alone: it has no codes that are scaled.`;
    throw new QuantscopeError('UNSUPPORTED', message, place);
  }
  const range = format.needsRange
    ? await new TensorReader(model, tensor).range({ signal })
    : { min: NaN, max: NaN };
  const { values, columns, isSample } = await sampleRows(model, tensor, format, signal);
  try {
    const encoded = await encodeIn(format, values, columns, range, { signal });
    const found = 'grid' in encoded ? await gridPoints(encoded) : await blockPoints(encoded);
    return { tensor: tensor.name, format: format.id, ...found, isSample };
  } catch (error) {
    if (!(error instanceof BadWeightError)) throw error;
    const message = said`Weights that are not finite have no values in ${format.id}.`;
    throw new QuantscopeError('MODEL_FILE', message, place, error);
  }
}

/** Whole rows, or the beginning of one that is longer than what is looked at. */
async function sampleRows(
  model: Model,
  tensor: TensorDescriptor,
  { rowMultiple }: QuantFormat,
  signal?: AbortSignal,
) {
  const { rows, columns: width } = matrixOf(tensor.shape);
  const columns = width <= sampled ? width : sampled - (sampled % rowMultiple);
  const count = Math.min(rows, Math.max(1, Math.floor(sampled / columns)));
  const values = new Float32Array(count * columns);
  for (let i = 0; i < count; i++) {
    throwIfCancelled(signal);
    const region = { firstRow: Math.floor((i * rows) / count), rows: 1, firstColumn: 0, columns };
    const cell = { rows: 1, columns: 1 };
    values.set((await readRegion(model, tensor, region, { cell, signal })).values, i * columns);
  }
  return { values, columns, isSample: count < rows || columns < width };
}

type Points = Pick<CodePoints, 'values' | 'scale' | 'groups'>;

/** All codes of a grid with one group's scale and zero, decoded as the grid's weights are. */
async function gridPoints({ grid, scales, zeros, globalScale }: QuantizedRows): Promise<Points> {
  const group = medianOf(scales);
  const codes = levelCodes(grid.levels);
  const decoded = await decodeRows({
    grid: { ...grid, group: 'row' },
    ...{ rows: 1, columns: codes.length, codes, scales: scales.slice(group, group + 1) },
    ...(zeros ? { zeros: zeros.slice(group, group + 1) } : {}),
    ...(globalScale === undefined ? {} : { globalScale }),
  });
  return { values: ascending(decoded), scale: scales[group]!, groups: scales.length };
}

async function blockPoints({ type, codes }: BlockRows): Promise<Points> {
  const { weights, group: size, hasZeros, hasFactors, levels } = loadNative().levelLayout(type);
  const blocks = codes.length / bytesOfBlock(type);
  const groups = (blocks * weights) / size;
  const target = {
    ...{ levels: new Float32Array(blocks * weights), scales: new Float32Array(groups) },
    ...(hasZeros ? { zeros: new Float32Array(groups) } : {}),
    ...(hasFactors ? { factors: new Float32Array(2 * blocks) } : {}),
  };
  await loadNative().readLevels(type, codes, target);
  const median = medianOf(target.scales);
  const [scale, zero] = [target.scales[median]!, target.zeros?.[median] ?? 0];
  return { values: ascending(levels.map((level) => level * scale + zero)), scale, groups };
}

const isPlain = ({ scheme }: QuantFormat): boolean =>
  scheme.kind === 'ggml' && ggmlType(scheme.type)?.block === 1;

const bytesOfBlock = (type: string): number => loadNative().codecs.find(({ name }) => name === type)!.bytes;

/** Index of the group whose scale has the median magnitude. */
function medianOf(scales: Float32Array): number {
  const order = [...scales.keys()].sort((a, b) => Math.abs(scales[a]!) - Math.abs(scales[b]!));
  return order[Math.floor(order.length / 2)]!;
}

const ascending = (values: Float32Array): number[] =>
  [...new Set(values)].filter(Number.isFinite).sort((a, b) => a - b);
