import * as l10n from '@vscode/l10n';
import type { ComparedTensor, PlanChanges, TensorFigures } from '../../ampq/planChanges';
import { differencesText } from '../../protocol/measuredWith';
import type { Budget, Plan } from '../../protocol/plan';
import { printable } from '../../protocol/printable';
import { plural, size } from '../../protocol/words';
import { alignedRow, columnWidths } from './textTable';

/** Which of two plans a text is about. */
export type Side = 'before' | 'after';

/** A plan that is compared. */
export interface SidePlan {
  /** What the plan is called. */
  readonly name: string;
  readonly plan: Plan;
  /** Sizes are those that the file states, which nobody has checked against a model. */
  readonly isStated: boolean;
}

/** Both plans of a comparison, and what differs. */
export interface ComparedPlans extends Readonly<Record<Side, SidePlan>> {
  readonly changes: PlanChanges;
}

const unknown = '—';

/**
 * One side of a comparison as a text. Both sides have the same lines in the same order, so that an editor that compares texts line by line marks what
 * differs and nothing else; the second has what was gained or lost at the end of each changed line.
 */
export function comparedText(compared: ComparedPlans, side: Side): string {
  const { changes } = compared;
  const sections: readonly [title: string, rows: readonly ComparedTensor[]][] = [
    [l10n.t('Another format or size: {0}', plural(changes.changed.length, 'tensor')), changes.changed],
    [
      l10n.t('Only in {0}: {1}', compared.before.name, plural(changes.onlyBefore.length, 'tensor')),
      changes.onlyBefore,
    ],
    [
      l10n.t('Only in {0}: {1}', compared.after.name, plural(changes.onlyAfter.length, 'tensor')),
      changes.onlyAfter,
    ],
    [l10n.t('The same in both: {0}', plural(changes.same.length, 'tensor')), changes.same],
  ];
  const rows = sections.flatMap(([, own]) => own);
  const [head, ...lines] = table(rows, changes.measure, side);
  const parts = [headText(compared, side)];
  let next = 0;
  for (const [title, { length }] of sections) {
    const own = lines.slice(next, next + length);
    next += length;
    if (length > 0) parts.push([title, '', head, ...own].join('\n'));
  }
  return `${parts.join('\n\n')}\n`;
}

const headOf = (measure: PlanChanges['measure']): readonly string[] => [
  l10n.t('tensor'),
  l10n.t('format'),
  l10n.t('bits'),
  l10n.t('size'),
  measure === 'divergence' ? l10n.t('KL divergence') : l10n.t('error'),
];

const of =
  (side: Side) =>
  (row: ComparedTensor): readonly string[] =>
    cellsOf(row, side);

function cellsOf(row: ComparedTensor, side: Side): readonly string[] {
  const own: TensorFigures | undefined = row[side];
  const name = printable(row.tensor);
  if (!own) return [name, unknown, unknown, unknown, unknown];
  const { format, bitsPerWeight, bytes, expected } = own;
  return [name, printable(format), bitsPerWeight.toFixed(2), size(bytes), figure(expected)];
}

/** Columns below each other, as wide as both sides need: names to the left, numbers to the right; then what a changed tensor gained or lost. */
function table(
  rows: readonly ComparedTensor[],
  measure: PlanChanges['measure'],
  side: Side,
): readonly string[] {
  const head = headOf(measure);
  const cells = { before: [head, ...rows.map(of('before'))], after: [head, ...rows.map(of('after'))] };
  const widths = columnWidths([...cells.before, ...cells.after]);
  return cells[side].map((row, i) => {
    const change = side === 'after' && i > 0 ? changeText(rows[i - 1]!) : '';
    return alignedRow([...row, change], widths, [2, 3]);
  });
}

/** "(+12.30 kB, −0.00123)"; empty for a tensor that is the same. */
function changeText({ bytes = 0, expected, before, after }: ComparedTensor): string {
  if (!before || !after || (bytes === 0 && before.format === after.format)) return '';
  return `(${signed(bytes, size)}, ${expected === undefined ? unknown : signed(expected, figure)})`;
}

const signed = (value: number, text: (value: number) => string): string =>
  `${value < 0 ? '−' : '+'}${text(Math.abs(value))}`;

/** Three digits: "0.00123", "1.2e-7". */
const figure = (value: number | undefined): string =>
  value === undefined ? unknown : String(Number(value.toPrecision(3)));

/** What a plan is and comes to, a line each. */
function headText(compared: ComparedPlans, side: Side): string {
  const { name, plan, isStated } = compared[side];
  const { total } = plan;
  const other = side === 'after' ? compared.before.plan.total : undefined;
  const changed = (own: number | undefined, theirs: number | undefined, text = figure): string =>
    own === undefined || theirs === undefined || own === theirs ? '' : ` (${signed(own - theirs, text)})`;
  const bytes = total.fileBytes ?? total.bytes;
  const otherBytes = total.fileBytes === undefined ? other?.bytes : other?.fileBytes;
  const bits = (value: number | undefined): string => (value ?? 0).toFixed(3);
  return [
    l10n.t('Plan: {0}', name),
    l10n.t('Model: {0}', printable(plan.model.name)),
    l10n.t('Budget: {0}', budgetText(plan.budget)),
    l10n.t('Size: {0}', size(bytes)) + changed(bytes, otherBytes, (value = 0) => size(value)),
    l10n.t('Bits per weight: {0}', bits(total.bitsPerWeight)) +
      changed(total.bitsPerWeight, other?.bitsPerWeight, bits),
    l10n.t('Predicted KL divergence: {0}', figure(total.divergence)) +
      changed(total.divergence, other?.divergence),
    l10n.t('Relative squared error: {0}', figure(total.error)) + changed(total.error, other?.error),
    ...(isStated
      ? [l10n.t('Its model was not found: sizes and errors are those that the file states.')]
      : []),
    ...(side === 'after' ? notesOf(compared) : []),
  ].join('\n');
}

/** What makes figures of the two plans no ones of the same kind. */
function notesOf({ before, after }: ComparedPlans): string[] {
  const [own, theirs] = [after.plan, before.plan];
  return [
    ...(own.model.hash === theirs.model.hash ? [] : [l10n.t('The plans are of different models.')]),
    ...differencesText(theirs, own).map((text) => l10n.t('Measured otherwise: {0}', text)),
  ];
}

const budgetText = ({ kind, value }: Budget): string =>
  kind === 'bytes' ? size(value) : l10n.t('{0} bits per weight', String(value));
