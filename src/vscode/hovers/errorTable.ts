import * as l10n from '@vscode/l10n';
import { markdownText } from '../../protocol/markdown';
import type { PlanAssignment, SensitivityCell, SensitivityRow } from '../../protocol/plan';
import { size } from '../../protocol/words';

/** A cell and how it stands to the suggestion; undefined where there is none. */
interface Step {
  readonly cell: SensitivityCell;
  readonly step: 'up' | 'suggested' | 'down' | undefined;
}

/**
 * Errors of a tensor in the suggested format and one step up and down, as a table in Markdown; in all formats where none of them is suggested.
 * Where the gain is known also the KL divergence that they are predicted to cause. Empty where nothing is known.
 */
export function errorTable(
  { cells, gain }: SensitivityRow,
  suggested: Pick<PlanAssignment, 'format'> | undefined,
  noise = 0,
): string[] {
  if (cells.length === 0) return [];
  const rows = stepsAround(cells, suggested?.format).map(({ cell, step }) => [
    stepText(step),
    step === 'suggested' ? `**${markdownText(cell.format)}**` : markdownText(cell.format),
    cell.bitsPerWeight.toFixed(2),
    size(cell.bytes),
    figure(Math.sqrt(cell.relativeSquaredError), 3),
    decibels(cell.sqnr),
    ...(gain === undefined ? [] : [divergenceText(gain * cell.relativeSquaredError, noise)]),
  ]);
  const heading = [
    ...['', l10n.t('format'), l10n.t('bits'), l10n.t('size'), l10n.t('relative error'), 'SQNR dB'],
    ...(gain === undefined ? [] : [l10n.t('KL divergence')]),
  ];
  const rule = heading.map((_, i) => (i < 2 ? ':--' : '--:'));
  return [heading, rule, ...rows].map((line) => `| ${line.join(' | ')} |`);
}

function stepsAround(cells: readonly SensitivityCell[], format: string | undefined): Step[] {
  const chosen = cells.find((cell) => cell.format === format);
  if (!chosen) return cells.map((cell) => ({ cell, step: undefined }));
  const larger = bestOf(cells, ({ bytes }) => bytes > chosen.bytes, -1);
  const smaller = bestOf(cells, ({ bytes }) => bytes < chosen.bytes, 1);
  return [
    ...(larger ? [{ cell: larger, step: 'up' as const }] : []),
    { cell: chosen, step: 'suggested' },
    ...(smaller ? [{ cell: smaller, step: 'down' as const }] : []),
  ];
}

/** The smallest (−1) or largest (1) of some cells; of those of one size the one with the least error. */
function bestOf(
  cells: readonly SensitivityCell[],
  isOne: (cell: SensitivityCell) => boolean,
  direction: 1 | -1,
): SensitivityCell | undefined {
  const [best] = cells
    .filter(isOne)
    .sort((a, b) => direction * (b.bytes - a.bytes) || a.relativeSquaredError - b.relativeSquaredError);
  return best;
}

/** How cells stand to the suggestion, in words. */
const steps: Readonly<Record<NonNullable<Step['step']>, () => string>> = {
  up: () => l10n.t('one step up'),
  suggested: () => l10n.t('suggested'),
  down: () => l10n.t('one step down'),
};

const stepText = (step: Step['step']): string => (step === undefined ? '' : steps[step]());

const figure = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toPrecision(digits) : l10n.t('not defined');

const decibels = (sqnr: number): string =>
  Number.isFinite(sqnr) ? sqnr.toFixed(1) : sqnr === Infinity ? '∞' : l10n.t('not defined');

const divergenceText = (value: number, noise: number): string =>
  value < noise ? markdownText(`< ${l10n.t('noise')}`) : figure(value, 2);
