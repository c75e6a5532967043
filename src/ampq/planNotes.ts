import type { Plan, SensitivityTable } from '../protocol/plan';

/** Bits per weight at and below which models lose a lot, whatever the plan. */
const fewBits = 3;
/** Names that a note lists. */
const listed = 3;

/** What the user should know about a plan made from a table, as sentences. */
export function planNotes(table: SensitivityTable, { bitsPerWeight }: Plan['total']): string[] {
  const { rows, notExportable, weightsOnly } = table;
  const lost = rows.filter(
    ({ cells }) =>
      cells.length > 0 && cells.every(({ relativeSquaredError }) => !Number.isFinite(relativeSquaredError)),
  );
  const unmeasured = rows.filter(({ cells }) => cells.length === 0);
  return [
    ...(notExportable === undefined
      ? []
      : [
          `This model cannot be exported as GGUF, so the plan cannot be used for an export: ${notExportable}`,
        ]),
    ...(weightsOnly === undefined
      ? []
      : [`The plan is based on the errors of the weights alone: ${weightsOnly}`]),
    ...keptNote(lost, 'have no finite error in any format (weights too large)'),
    ...keptNote(unmeasured, 'were not measured'),
    ...(bitsPerWeight <= fewBits
      ? [
          `At ${bitsPerWeight.toFixed(2)} bits per weight a model loses a lot, and predictions are less exact. Check the plan with quantscope eval.`,
        ]
      : []),
  ];
}

function keptNote(rows: SensitivityTable['rows'], why: string): string[] {
  if (rows.length === 0) return [];
  const names = rows.slice(0, listed).map(({ tensor, lossless }) => `${tensor} (${lossless.format})`);
  const more = rows.length > listed ? ` and ${rows.length - listed} more` : '';
  return [`Tensors that ${why} are kept without loss: ${names.join(', ')}${more}.`];
}
