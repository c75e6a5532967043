import type { PlanAssignment, PlanConstraint, SensitivityTable, UsedCodes } from '../protocol/plan';
import { perTable } from '../protocol/perTable';
import { listOf, tableNotes } from '../protocol/tableNotes';
import { said } from '../protocol/said';
import { isLattice } from '../quant/columns/latticeTypes';
import { constraintText } from './constraints';
import type { Assignment } from './solve';

/** Bits per weight at and below which models lose a lot, whatever the plan. */
const lossyBits = 3;

const notesOf = perTable(tableNotes);

/** What the user should know about a plan made from a table, as sentences. */
export function planNotes(
  table: SensitivityTable,
  { total: { bitsPerWeight, divergence }, notCompared, gap, assignments }: Assignment,
  constraints: readonly PlanConstraint[],
): string[] {
  const { notExportable, weightsOnly } = table;
  return [
    ...limitNotes(notExportable, weightsOnly),
    ...notesOf(table),
    ...(table.codes ? [ofCodes(table.codes), ...ofOutput(table.codes, assignments)] : []),
    ...(constraints.length === 0
      ? []
      : [said`The plan was solved with the constraints ${constraints.map(constraintText).join(' ')}.`]),
    ...(gap === 0
      ? []
      : [
          said`The search for the optimum was cut short: by the same figures, the best plan of this size is better by at most ${percent(gap)} %.`,
        ]),
    ...(divergence === undefined ? [] : [table.roundsActivations ? withActivations : ofWeights]),
    ...(notCompared.length === 0
      ? []
      : [
          said`Presets within the budget that the plan is not compared with, as they need an importance matrix: ${listOf(notCompared)}.`,
        ]),
    ...(bitsPerWeight <= lossyBits
      ? [
          said`At ${bitsPerWeight.toFixed(2)} bits per weight a model loses a lot, and predictions are less exact. Check the plan with quantscope eval.`,
        ]
      : []),
  ];
}

const ofCodes = ({ method, text, tokens, objective }: UsedCodes): string =>
  said`Errors are those of the outputs with optimised codes (${method}, over ${tokens.toLocaleString('en-US')} tokens of ${text}), also those of presets. An export of the plan writes such codes, ${objective}.`;

/** What is said of an output matrix, or an embedding that is also one, whose codes have another objective than those of the other tensors. */
function ofOutput({ objective }: UsedCodes, assignments: readonly PlanAssignment[]): string[] {
  const named = (name: string): PlanAssignment | undefined =>
    assignments.find(({ tensor }) => tensor === name);
  const output =
    objective === 'two-sided' ? (named('output.weight') ?? named('token_embd.weight')) : undefined;
  if (!output || !isLattice(output.format)) return [];
  return [
    said`Codes of ${output.tensor} in ${output.format} are those of the one-sided objective: the two-sided one of an output matrix changes codes of single weights, which types on lattices do not have.`,
  ];
}

/** To two digits. */
const percent = (share: number): string => String(Number((100 * share).toPrecision(2)));

/** What a predicted divergence leaves out. */
const ofWeights = said`The predicted KL divergence is that of the weights. Rounding of activations, as llama.cpp does on CPUs, is not included: an evaluation that rounds activations (the Evaluate tab, or quantscope eval --round-activations) measures both.`;

const withActivations = said`Errors and the predicted KL divergence include the rounding of activations by llama.cpp on CPUs: an evaluation that rounds activations (the Evaluate tab, or quantscope eval --round-activations) measures both. On GPUs a plan with --backend gpu has the smaller divergence.`;

/** What the plan lacks, and why; a reason that both have is said once. */
function limitNotes(notExportable: string | undefined, weightsOnly: string | undefined): string[] {
  if (notExportable !== undefined && weightsOnly?.includes(notExportable) === true)
    return [
      said`The plan cannot be used for an export, and is based on the errors of the weights alone: ${weightsOnly}`,
    ];
  return [
    ...(notExportable === undefined
      ? []
      : [
          said`This model cannot be exported as GGUF, so the plan cannot be used for an export: ${notExportable}`,
        ]),
    ...(weightsOnly === undefined
      ? []
      : [said`The plan is based on the errors of the weights alone: ${weightsOnly}`]),
  ];
}
