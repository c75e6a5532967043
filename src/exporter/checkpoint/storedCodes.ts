import { quantizedReader } from '../../layouts/quantizedReader';
import type { QuantizedReader, WrittenWeight } from '../../layouts/layout';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { Grid } from '../../protocol/grids';
import type { TensorDescriptor } from '../../protocol/model';
import type { QuantizedRows } from '../../quant/quantized';

/** Codes that are read at a time. */
const slabWeights = 2 ** 22;

/**
 * The rows of a weight with the codes and scales that its files hold, where these are of the grid that it is to get: rounding its decoded values
 * could only lose.
 * @returns undefined for a weight that is not stored so, or whose groups are not columns in their order.
 * @throws QuantscopeError IO, MODEL_FILE, CANCELLED; the rows too.
 */
export async function storedCodes(
  model: Model,
  tensor: TensorDescriptor,
  { grid }: Pick<WrittenWeight, 'grid'>,
  signal?: AbortSignal,
): Promise<AsyncGenerator<QuantizedRows> | undefined> {
  const reader = await quantizedReader(model, tensor, signal);
  const { rows, columns } = matrixOf(tensor.shape);
  if (!reader || !isSameGrid(reader.grid, grid, columns)) return undefined;
  const { groupOfColumn } = await reader.read(0, Math.min(rows, reader.rowStep), signal);
  return isInOrder(groupOfColumn, reader.grid.group) ? inSlabs(reader, rows, columns, signal) : undefined;
}

async function* inSlabs(
  reader: QuantizedReader,
  rows: number,
  columns: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<QuantizedRows> {
  const { rowStep } = reader;
  const step = rowStep * Math.max(1, Math.floor(slabWeights / columns / rowStep));
  for (let row = 0; row < rows; row += step) {
    throwIfCancelled(signal);
    yield withoutOrder(await reader.read(row, Math.min(step, rows - row), signal));
  }
}

const withoutOrder = ({ groupOfColumn: _order, ...slab }: QuantizedRows): QuantizedRows => slab;

/** Whether codes and scales of one grid are such of the other: how they were found does not matter. */
function isSameGrid(a: Grid, b: Grid, columns: number): boolean {
  const [whatA, whatB] = [a, b].map(({ levels, group, scale, zero, perScale, double, global, outliers }) =>
    JSON.stringify([
      levels.kind === 'integer' ? [levels.bits, levels.signed, levels.narrow] : levels,
      group === columns ? 'row' : group,
      ...[scale, zero, perScale, double?.block, global, outliers],
    ]),
  );
  return whatA === whatB;
}

const isInOrder = (groupOfColumn: Int32Array | undefined, group: Grid['group']): boolean =>
  groupOfColumn?.every(
    (found, column) => typeof group === 'number' && found === Math.floor(column / group),
  ) ?? true;
