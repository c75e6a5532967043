import type { Plan, SensitivityTable } from '../protocol/plan';
import { tableNotes } from '../protocol/tableNotes';

/** Bits per weight at and below which models lose a lot, whatever the plan. */
const fewBits = 3;

/** What the user should know about a plan made from a table, as sentences. */
export function planNotes(table: SensitivityTable, { bitsPerWeight }: Plan['total']): string[] {
  const { notExportable, weightsOnly } = table;
  return [
    ...limitNotes(notExportable, weightsOnly),
    ...tableNotes(table),
    ...(bitsPerWeight <= fewBits
      ? [
          `At ${bitsPerWeight.toFixed(2)} bits per weight a model loses a lot, and predictions are less exact. Check the plan with quantscope eval.`,
        ]
      : []),
  ];
}

/** What the plan lacks, and why; a reason that both have is said once. */
function limitNotes(notExportable: string | undefined, weightsOnly: string | undefined): string[] {
  if (notExportable !== undefined && weightsOnly?.includes(notExportable) === true)
    return [
      `This model cannot be exported as GGUF or run, so the plan cannot be used for an export and is based on the errors of the weights alone: ${notExportable}`,
    ];
  return [
    ...(notExportable === undefined
      ? []
      : [
          `This model cannot be exported as GGUF, so the plan cannot be used for an export: ${notExportable}`,
        ]),
    ...(weightsOnly === undefined
      ? []
      : [`The plan is based on the errors of the weights alone: ${weightsOnly}`]),
  ];
}
