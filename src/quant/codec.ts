import { loadNative, type EncodeOptions, type TensorRange } from '../native';
import type { GgmlQuantType } from '../protocol/ggmlTypes';
import type { Grid } from '../protocol/grids';
import { BadWeightError } from './badWeight';
import type { QuantFormat } from './format';
import { decodeRows, roundToNearest } from './grids/roundToNearest';
import { rowLayout } from './layout';
import type { BlockRows, EncodedRows } from './quantized';
import { needsRange } from './schemeFormat';

/**
 * Encodes whole rows, `[rows, columns]`, in a format. `range` is that of the whole tensor, used where the format needs it; importance
 * weights are used by types that take them.
 * @throws BadWeightError for the first weight that is not finite.
 */
export const encodeIn = (
  { scheme }: QuantFormat,
  values: Float32Array,
  columns: number,
  range: TensorRange,
  options?: EncodeOptions,
): Promise<EncodedRows> =>
  scheme.kind === 'ggml'
    ? encodeBlocks(scheme.type, values, columns, options)
    : encodeGrid(scheme.grid, values, columns, range, options);

/** Inverse of {@link encodeIn}: some encoded rows → their float32 values. */
export const decodeEncoded = (encoded: EncodedRows, signal?: AbortSignal): Promise<Float32Array> =>
  'grid' in encoded ? decodeRows(encoded, signal) : decodeBlocks(encoded, signal);

function encodeGrid(
  grid: Grid,
  values: Float32Array,
  columns: number,
  range: TensorRange,
  { signal }: EncodeOptions = {},
): Promise<EncodedRows> {
  const ofMatrix = needsRange(grid) ? { range } : {};
  return roundToNearest(grid, values, [values.length / columns, columns], ofMatrix, signal);
}

/**
 * Whole rows as blocks of a ggml type.
 * @throws BadWeightError for the first weight that is not finite.
 */
export async function encodeBlocks(
  type: GgmlQuantType,
  values: Float32Array,
  columns: number,
  options: EncodeOptions = {},
): Promise<BlockRows> {
  const rows = values.length / columns;
  const codes = new Uint8Array(rows * rowLayout({ kind: 'ggml', type }, columns).codeBytes);
  const bad = await loadNative().encodeRows(type, values, columns, codes, options);
  if (bad) throw new BadWeightError(bad);
  return { type, columns, codes };
}

async function decodeBlocks(
  { type, columns, codes }: BlockRows,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const rows = codes.length / rowLayout({ kind: 'ggml', type }, columns).codeBytes;
  const values = new Float32Array(rows * columns);
  await loadNative().decode(type, codes, values, signal);
  return values;
}
