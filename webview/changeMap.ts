import type { ComparedTensor } from '../src/protocol/compare';
import { inOrder } from './executionOrder';
import { layerMap } from '../src/protocol/layerMap';

/** Tensors of a role in a layer: one, or its experts. */
export interface ChangeCell {
  /** Of the comparison; none where the layer lacks the role. */
  readonly tensors: readonly string[];
  /** Root mean square of their relative errors; NaN where there are none. */
  readonly error: number;
}

/** How far tensors moved. */
export interface ChangeMap {
  readonly layers: readonly number[];
  readonly rows: readonly { readonly role: string; readonly cells: readonly ChangeCell[] }[];
  /** Outside of layers. */
  readonly others: readonly { readonly role: string; readonly error: number }[];
}

/** Tensors that were measured, by layer and role; roles in the order of execution. */
export function changeMap(tensors: readonly ComparedTensor[]): ChangeMap {
  const measured = tensors.filter(({ error }) => error !== undefined);
  const { layers, rows, others } = layerMap(measured.map(({ name }) => name));
  const errorOf = (members: readonly number[]): number => {
    const squares = members.map((index) => measured[index]!.error!.relativeSquaredError);
    return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
  };
  const cellOf = (members: readonly number[]): ChangeCell => ({
    tensors: members.map((index) => measured[index]!.name),
    error: errorOf(members),
  });
  return {
    layers,
    rows: inOrder(
      rows.map(({ role, cells }) => ({ role, cells: cells.map(cellOf) })),
      ({ role }) => role,
    ),
    others: others.map(({ role, members }) => ({ role, error: errorOf(members) })),
  };
}
