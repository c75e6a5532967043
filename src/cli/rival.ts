import { differencesFrom, predictRival, type TensorDifference } from '../ampq/rivalFile';
import { rivalTypes } from '../exporter/plan/rivalTypes';
import type { SensitivityParams } from '../protocol/sensitivityRun';
import type { Plan, SensitivityTable } from '../protocol/plan';
import type { RivalFile } from '../protocol/rivalFile';
import { listOf } from '../protocol/tableNotes';
import { size } from '../protocol/words';
import type { CommandContext } from './command';
import { announce, measure } from './sensitivity';
import { number, table } from './text';

/**
 * The types of a file that a plan is to beat, for the tensors of a table.
 * @throws QuantscopeError as `openModel`; REQUEST for a file of another base.
 */
export const readRival = (
  { model, jobs, signal, progress }: CommandContext,
  { imatrix, optimised }: SensitivityParams,
  rival: string,
): Promise<RivalFile> =>
  jobs['plan/rival'](
    {
      ...{ ...model, rival, isOptimised: optimised !== undefined },
      ...(imatrix === undefined ? {} : { imatrix }),
    },
    { signal, progress },
  );

/**
 * The table with the types of a file, too; of those that need importance weights only what this run can encode.
 * @param rival has the tensors of the table.
 */
export async function withRivalTypes(
  context: CommandContext,
  params: SensitivityParams,
  measured: SensitivityTable,
  rival: RivalFile,
): Promise<SensitivityTable> {
  const formats = new Set(measured.rows.flatMap(({ cells }) => cells.map(({ format }) => format)));
  const encoding = { hasImportance: params.imatrix !== undefined, isOptimised: measured.codes !== undefined };
  const more = rivalTypes(rival, encoding).filter((type) => !formats.has(type));
  if (more.length === 0) return measured;
  const all = { ...params, formats: [...formats, ...more] };
  await announce(context, all);
  return measure(context, all);
}

/** What is said of a file beside a plan of at most its size. */
export interface ComparedRival {
  readonly file: string;
  readonly bytes: number;
  /** Of its types with the codes of the plan, nats per token; where all errors and gains are known. */
  readonly divergence?: number;
  /** Tensors whose error in the file's type is not known. */
  readonly unknown: readonly string[];
  readonly differences: readonly TensorDifference[];
}

export function compareRival(rival: RivalFile, plan: Plan, measured: SensitivityTable): ComparedRival {
  const { file, bytes } = rival;
  const differences = differencesFrom(rival, plan.assignments, measured);
  return { file, bytes, ...predictRival(rival, measured), differences };
}

export function rivalLines({ file, bytes, divergence, unknown, differences }: ComparedRival): string[] {
  const figure = (value: number | undefined): string => (value === undefined ? '' : number(value));
  const rows = differences.map(({ tensor, theirs, ours }) => [
    ...[tensor, theirs.type, ours.format, theirs.bytes, ours.bytes],
    ...[figure(theirs.divergence), figure(ours.divergence)],
  ]);
  const predicted =
    divergence === undefined
      ? 'no prediction'
      : `predicted KL divergence ${number(divergence)} nats per token`;
  return [
    `${file} (${size(bytes)}): its types with the codes of this plan have ${predicted}. Tensors in other formats:`,
    ...table(['tensor', 'file', 'plan', 'bytes', 'bytes', 'KL divergence', 'KL divergence'], rows),
    ...(unknown.length > 0 ? [`Not predicted in the types of the file: ${listOf(unknown)}.`] : []),
    '',
  ];
}
