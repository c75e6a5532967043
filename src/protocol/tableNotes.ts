import { chanceNote, sampleText } from './gains';
import type { SensitivityRow, SensitivityTable, SkippedTensor } from './plan';
import { inLanguage, said } from './said';

/** Names that a note lists. */
const listed = 3;

/**
 * What the user should know about the tensors of a table, as sentences: those without a format to choose, those left out, and those
 * whose effect on the output is estimated although the model was run; and that gains are those of another model, or interpolated.
 */
export function tableNotes(table: SensitivityTable): string[] {
  const { gainsFrom, skipped = [] } = table;
  const untrained = gainsFrom && chanceNote({ ...gainsFrom, text: gainsFrom.text.replace(/^.*[\\/]/, '') });
  return [
    ...keptNotes(table),
    ...skippedNotes(skipped),
    ...estimatedNotes(table),
    ...(untrained === undefined ? [] : [untrained]),
    ...otherModelNotes(table),
    ...sampleNotes(table),
  ];
}

/** Whether a tensor loses something in a format that it can have. */
export const hasError = ({ cells }: Pick<SensitivityRow, 'cells'>): boolean =>
  cells.some(({ relativeSquaredError: error }) => Number.isFinite(error) && error > 0);

function estimatedNotes({ rows, gainsFrom }: SensitivityTable): string[] {
  const estimated = rows.filter(({ isEstimated }) => isEstimated);
  // No gain is known that others could be estimated from.
  const lost = gainsFrom ? rows.filter((row) => row.gain === undefined && hasError(row)) : [];
  const names = (of: readonly SensitivityRow[]): string => listOf(of.map(({ tensor }) => tensor));
  return [
    ...(estimated.length === 0
      ? []
      : [
          said`The effect of these on the output was not measured, or is not finite, and is estimated from their roles: ${names(estimated)}.`,
        ]),
    ...(lost.length === 0
      ? []
      : [
          said`The output is not finite when these are quantized, so plans use the errors of the weights alone: ${names(lost)}.`,
        ]),
  ];
}

function otherModelNotes({ gainsFrom }: SensitivityTable): string[] {
  if (gainsFrom?.model === undefined) return [];
  return [
    said`Gains are those of another model, ${gainsFrom.model}. How well they hold for this one was not measured: quantscope gains compare does that.`,
  ];
}

/** Places of a factor that are worth showing. */
const factorDigits = 2;

function sampleNotes({ gainsFrom }: SensitivityTable): string[] {
  if (!gainsFrom?.sample) return [];
  const { deviation } = gainsFrom.sample;
  const exactness =
    deviation === undefined
      ? said`how exact they are is not known`
      : said`they are exact to a factor of about ${deviation.toFixed(factorDigits)} (one standard deviation, from leaving out each measured block in turn)`;
  return [
    said`Gains of the tensors in blocks are ${sampleText(gainsFrom.sample)}, by role over depth; ${exactness}.`,
  ];
}

/** Tensors that a plan can only write without loss, by name and with the reason, as sentences. */
export function keptNotes({ rows }: Pick<SensitivityTable, 'rows'>): string[] {
  const lost = rows.filter(
    ({ cells }) =>
      cells.length > 0 && cells.every(({ relativeSquaredError }) => !Number.isFinite(relativeSquaredError)),
  );
  const unmeasured = rows.filter(({ cells }) => cells.length === 0);
  return [
    ...keptNote(lost, said`have no finite error in any format (weights too large)`),
    ...keptNote(unmeasured, said`were not measured`),
  ];
}

/** That results of a run are lost when it ends, as a sentence. */
export const notKeptNote = (reason: string): string =>
  inLanguage(said`These results could not be kept for later: ${reason}`);

function keptNote(rows: readonly SensitivityRow[], why: string): string[] {
  if (rows.length === 0) return [];
  const names = rows.map(({ tensor, lossless }) => `${tensor} (${lossless.format})`);
  return [said`Tensors that ${why} are kept without loss: ${listOf(names)}.`];
}

/** One sentence for each reason. */
function skippedNotes(skipped: readonly SkippedTensor[]): string[] {
  const reasons = new Set(skipped.map(({ reason }) => reason));
  return [...reasons].map((reason) => {
    const names = skipped.filter((item) => item.reason === reason).map(({ tensor }) => tensor);
    return said`Not measured, and without a format in plans: ${listOf(names)} (${reason}).`;
  });
}

/** The first names and the number of the others. */
export const listOf = (names: readonly string[]): string =>
  `${names.slice(0, listed).join(', ')}${names.length > listed ? inLanguage(said` and ${names.length - listed} more`) : ''}`;
