import { basename } from 'node:path';
import { sampleText } from '../protocol/gains';
import type { SensitivityTable } from '../protocol/plan';
import { rungText, tableRung } from '../protocol/rungs';
import type { SensitivityEstimate, SensitivityParams } from '../protocol/sensitivityRun';
import { notKeptNote, tableNotes } from '../protocol/tableNotes';
import { duration, plural, size } from '../protocol/words';
import type { Command, CommandContext } from './command';
import { measuringOptions, measuringParams } from './measuringOptions';
import { aboveNoise, count, figure, number, table } from './text';

/** Time that is worth less exact gains (s). */
const worthSaving = 600;

/** Prints what a run will do and its estimated time. */
export async function announce(
  context: CommandContext,
  params: SensitivityParams,
): Promise<SensitivityEstimate> {
  const { jobs, signal, note } = context;
  const estimate = await jobs['sensitivity/estimate'](params, { signal, progress: () => undefined });
  const { tensors, formats, text, sample, codes, offered, weightsOnly } = estimate;
  const how = text
    ? `the model ${text.isKept === true ? 'was' : 'is'} run over ${count(text.tokens)} tokens of ${basename(text.file)}`
    : `errors of the weights alone: ${weightsOnly}`;
  note(`${plural(tensors, 'tensor')} in ${formats.join(', ')}; ${how}`);
  if (sample)
    note(
      `Gains are measured in ${sample.measured} of ${sample.blocks} blocks and interpolated in the others.`,
    );
  if (codes)
    note(
      `Codes are optimised over ${count(codes.tokens)} tokens of ${codes.text}; --codes reference measures those of llama.cpp.`,
    );
  if (offered)
    note(
      `Gains over ${count(offered.tokens)} tokens of ${basename(offered.file)} are kept from an earlier run; --gains cached uses them.`,
    );
  note(`This takes about ${costText(estimate)}; what earlier runs measured is reused.`);
  const { seconds, curvatureSeconds = seconds } = estimate;
  if (seconds - curvatureSeconds > worthSaving)
    note(
      `With --curvature it takes about ${duration(curvatureSeconds)}: gains then come from gradients, and are a little less exact.`,
    );
  return estimate;
}

/** "3 minutes and 1.93 GB of memory, in one pass over the model". */
function costText({ seconds, passes, memory }: SensitivityEstimate): string {
  if (memory === undefined) return duration(seconds);
  const cost = `${duration(seconds)} and ${size(memory)} of memory`;
  if (passes === undefined) return cost;
  const how =
    passes === 1 ? 'one pass' : `${count(passes)} passes, as states of all tensors need more memory,`;
  return `${cost}, in ${how} over the model`;
}

/** Measures, or reuses the results of an earlier run; says when results could not be kept. */
export async function measure(
  { jobs, signal, progress, note }: CommandContext,
  params: SensitivityParams,
): Promise<SensitivityTable> {
  const table = await jobs['sensitivity/run'](params, { signal, progress });
  if (table.notKept !== undefined) note(`Note: ${notKeptNote(table.notKept)}`);
  return table;
}

export const sensitivity: Command = {
  name: 'sensitivity',
  operand: 'MODEL',
  summary: 'Measure how each tensor affects the output in every candidate format',
  options: measuringOptions,
  keepsResults: true,
  async run(context) {
    const params = measuringParams(context);
    await announce(context, params);
    const result = await measure(context, params);
    const notes = tableNotes(result);
    const lines = [...tableLines(result), ...notes.map((text) => `Note: ${text}`)];
    return { json: { ...result, notes }, lines };
  },
};

function tableLines(measured: SensitivityTable): string[] {
  const { rows, gainsFrom } = measured;
  const formats = [...new Set(rows.flatMap((row) => row.cells.map((cell) => cell.format)))];
  const lines = rows.map((row) => [
    row.tensor,
    ...(gainsFrom ? [row.gain === undefined ? '' : number(row.gain)] : []),
    ...formats.map((format) => {
      const cell = row.cells.find((item) => item.format === format);
      if (!cell) return '';
      if (!gainsFrom) return figure(Math.sqrt(cell.relativeSquaredError));
      if (row.gain === undefined) return '';
      const text = aboveNoise(row.gain * cell.relativeSquaredError, gainsFrom.noise);
      if (row.measured === undefined) return `~${text}`;
      return row.measured.format === format ? `${text}*` : text;
    }),
  ]);
  const head = ['tensor', ...(gainsFrom ? ['gain'] : []), ...formats];
  return [
    ...headingOf(measured),
    `Evidence: ${rungText(tableRung(measured), measured)}`,
    ...table(head, lines),
  ];
}

function headingOf({ rows, gainsFrom, weightsOnly }: SensitivityTable): string[] {
  if (!gainsFrom)
    return [
      `Relative error ‖x − x'‖ / ‖x‖, of the weights alone${weightsOnly === undefined ? '' : `: ${weightsOnly}`}`,
    ];
  const { text, tokens, context, noise, sample, by } = gainsFrom;
  const origins = [
    ...(sample ? [sampleText(sample)] : []),
    ...(rows.some(({ isEstimated }) => isEstimated) ? ['estimated from the role of the tensor'] : []),
  ];
  const how = by ? 'By the curvature (tensors of blocks) or measured (others)' : 'Measured';
  return [
    'KL divergence of the output from the original, nats per token, with the tensor alone in the format.',
    `${how}: the figures with *, over ${count(tokens)} tokens of ${basename(text)} in windows of ${count(context)}.`,
    'The others follow from them: gain × squared relative error in the format.',
    ...(origins.length === 0 ? [] : [`Those with ~ have a gain ${origins.join(' or ')}.`]),
    `Rounding in float32 alone causes ${number(noise)}; smaller figures are shown as "< noise".`,
  ];
}
