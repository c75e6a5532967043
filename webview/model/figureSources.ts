import * as l10n from '@vscode/l10n';
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
    ...{ id: 'bits', label: l10n.t('bits'), combine: 'mean', isLog: false, values },
    hint: plan
      ? l10n.t('Bits per weight in the plan; of what it does not list, those of the files.')
      : l10n.t('Bits per weight in the files.'),
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
    ...{ ...errorTraits, hint: errorHint(format) },
    values: bySource(table, figures, errors),
  };
}

const errorHint = (format: string): string =>
  l10n.t('Relative error of the weights in {0}: the root of squared error over squared weights.', format);

/** Figures of a scan, as far as it is. */
export function scannedFigures(table: TensorTable, { names, figures, error }: ModelScan): LayerFigure[] {
  const indices = indicesInOrder(table, names);
  const at = (values: readonly number[]): Float64Array =>
    valuesOf(table.count, names, values, (_, place) => indices[place]!);
  const scanned = scanFigures.map((figure) => ({ ...figure, values: at(figures[figure.id]) }));
  if (!error) return scanned;
  return [...scanned, { ...errorTraits, hint: errorHint(error.format), values: at(error.relative) }];
}

const errorTraits = { id: 'error', label: l10n.t('error'), combine: 'largest', isLog: true } as const;

/** Places of tensors that are named in the order of the model: no name is looked up. */
function indicesInOrder(table: TensorTable, names: readonly string[]): Int32Array {
  const indices = new Int32Array(names.length).fill(-1);
  for (let index = 0, next = 0; index < table.count && next < names.length; index++)
    if (table.name(index) === names[next]) indices[next++] = index;
  return indices;
}

/** What an error of a tensor does to the output: KL divergence for each relative squared error. */
export const gainFigure = (table: TensorTable, figures: Figures): LayerFigure => ({
  ...{ id: 'gain', label: l10n.t('gain'), combine: 'largest', isLog: true },
  hint: l10n.t(
    'KL divergence of the output for each relative squared error of the tensor, measured over a text.',
  ),
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
