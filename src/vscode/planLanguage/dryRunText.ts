import * as l10n from '@vscode/l10n';
import { evidenceWords } from '../../protocol/evidence';
import { printable } from '../../protocol/printable';
import type { PlannedWeight, QuantizePreview } from '../../protocol/quantizeModel';
import { inLanguage } from '../../protocol/said';
import { duration, plural, size } from '../../protocol/words';
import { alignedRow, columnWidths, type TextRow } from './textTable';

/** A sentence of the engine, which may name what a file names. */
const shown = (text: string): string => printable(inLanguage(text));

/** What a recipe would make of a model, as a text: totals, what keeps it from that, what becomes of how much, and of each tensor. */
export function dryRunText(name: string, model: string, preview: QuantizePreview): string {
  const tensors = preview.tensors.map((item) => [
    ...[printable(item.name), printable(item.from), printable(item.to), item.method ?? ''],
    ...[size(item.sourceBytes), size(item.bytes), shown(item.reason)],
  ]);
  const [from, to, method] = [l10n.t('from'), l10n.t('to'), l10n.t('method')];
  const [before, after] = [l10n.t('size now'), l10n.t('size')];
  return [
    headText(name, model, preview),
    ...preview.warnings.map((text) => l10n.t('Warning: {0}', shown(text))),
    ...preview.notes.map((text) => l10n.t('Note: {0}', shown(text))),
    table([from, to, method, l10n.t('tensors'), before, after], kinds(preview.tensors), [3, 3]),
    table([l10n.t('tensor'), from, to, method, before, after, l10n.t('why')], tensors, [4, 2]),
    '',
  ].join('\n\n');
}

function headText(name: string, model: string, preview: QuantizePreview): string {
  const { fileBytes, sourceBytes, bitsPerWeight, files, estimate, evidence } = preview;
  const needed =
    evidence.text === undefined
      ? evidenceWords[evidence.kind]
      : l10n.t('{0} of the inputs over {1}', evidenceWords[evidence.kind], printable(evidence.text));
  return [
    l10n.t('Dry run of {0}: nothing is written.', printable(name)),
    l10n.t('Model: {0}', printable(model)),
    l10n.t('Result: {0} in {1}, now {2}', size(fileBytes), plural(files.length, 'file'), size(sourceBytes)),
    ...(bitsPerWeight === undefined ? [] : [l10n.t('Bits per weight: {0}', bitsPerWeight.toFixed(3))]),
    l10n.t(
      'A run takes about {0}, {1} of memory and {2} of disk.',
      duration(estimate.seconds),
      size(estimate.memoryBytes),
      size(estimate.diskBytes),
    ),
    l10n.t('Evidence: {0}', needed),
    ...(evidence.missing === undefined ? [] : [shown(evidence.missing)]),
  ].join('\n');
}

/** Tensors that become the same, the most bytes first. */
function kinds(tensors: readonly PlannedWeight[]): TextRow[] {
  const groups = new Map<string, PlannedWeight[]>();
  for (const item of tensors) {
    const key = JSON.stringify([item.from, item.to, item.method]);
    const own = groups.get(key);
    if (own) own.push(item);
    else groups.set(key, [item]);
  }
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return [...groups.values()]
    .map((own) => ({ own, bytes: sum(own.map(({ bytes }) => bytes)) }))
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ own, bytes }) => [
      ...[printable(own[0]!.from), printable(own[0]!.to), own[0]!.method ?? '', String(own.length)],
      ...[size(sum(own.map(({ sourceBytes }) => sourceBytes))), size(bytes)],
    ]);
}

function table(head: TextRow, rows: readonly TextRow[], numbers: readonly [number, number]): string {
  const widths = columnWidths([head, ...rows]);
  return [head, ...rows].map((row) => alignedRow(row, widths, numbers)).join('\n');
}
