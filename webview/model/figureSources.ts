import type { ModelScan } from '../../src/protocol/modelScan';
import type { PlanOutline } from '../../src/protocol/planOutline';
import type { TensorTable } from '../../src/protocol/tensorTable';
import type { Figures } from '../influence';
import { scanFigures, valuesOf, type LayerFigure } from './layerFigures';

/** Bits of the plan, or those of the files where there is no plan. */
export function bitsFigure(table: TensorTable, plan: PlanOutline | undefined): LayerFigure {
  const stored = table.kinds.map(({ elements, byteLength }) =>
    elements === 0 ? NaN : (8 * byteLength) / elements,
  );
  const values = Float64Array.from({ length: table.count }, (_, index) => {
    const place = plan?.of[index] ?? -1;
    return plan && place >= 0 ? plan.formats[place]!.bits : stored[table.kindOf(index)]!;
  });
  return {
    ...{ id: 'bits', label: 'bits', combine: 'mean', isLog: false, values },
    hint: plan
      ? 'Bits per weight in the plan; of what it does not list, those of the files.'
      : 'Bits per weight in the files.',
  };
}

/** Relative errors of tensors in a format, ‖x − x'‖ / ‖x‖; NaN where they were not measured. */
export function errorFigure(table: TensorTable, figures: Figures, format: string): LayerFigure {
  const measured = figures.formats.find((candidate) => candidate.format === format);
  const errors = figures.rows.map((_, row) => {
    const squared = measured?.errors[row] ?? -1;
    return squared < 0 ? NaN : Math.sqrt(squared);
  });
  return {
    ...{ id: 'error', label: 'error', combine: 'largest', isLog: true },
    hint: `Relative error of the weights in ${format}: the root of squared error over squared weights.`,
    values: bySource(table, figures, errors),
  };
}

/** Figures of a scan, as far as it is. */
export const scannedFigures = (table: TensorTable, { names, figures }: ModelScan): LayerFigure[] =>
  scanFigures.map((figure) => ({ ...figure, values: inOrder(table, names, figures[figure.id]) }));

/** Errors that a scan has measured. */
export function scannedError(table: TensorTable, { names, error }: ModelScan): LayerFigure | undefined {
  if (!error) return undefined;
  return {
    ...{ id: 'error', label: 'error', combine: 'largest', isLog: true },
    hint: `Relative error of the weights in ${error.format}: the root of squared error over squared weights.`,
    values: inOrder(table, names, error.relative),
  };
}

/** Values of tensors that are named in the order of the model: no name is looked up. */
function inOrder(table: TensorTable, names: readonly string[], values: readonly number[]): Float64Array {
  let next = 0;
  return valuesOf(table.count, names, values, (name) => {
    for (let index = next; index < table.count; index++) {
      if (table.name(index) !== name) continue;
      next = index + 1;
      return index;
    }
    return -1;
  });
}

/** What an error of a tensor does to the output: KL divergence for each relative squared error. */
export const gainFigure = (table: TensorTable, figures: Figures): LayerFigure => ({
  ...{ id: 'gain', label: 'gain', combine: 'largest', isLog: true },
  hint: 'KL divergence of the output for each relative squared error of the tensor, measured over a text.',
  values: bySource(
    table,
    figures,
    figures.rows.map(({ gain }) => gain ?? NaN),
  ),
});

/** Values of rows at the tensors that the rows are made of. */
function bySource(table: TensorTable, { rows }: Figures, values: readonly number[]): Float64Array {
  const indices = new Map(Array.from({ length: table.count }, (_, index) => [table.name(index), index]));
  const names = rows.flatMap(({ sources }) => sources);
  const own = rows.flatMap(({ sources }, row) => sources.map(() => values[row]!));
  return valuesOf(table.count, names, own, (name) => indices.get(name) ?? -1);
}
