import * as l10n from '@vscode/l10n';

/** First and last of the weights that a cell covers in one direction. */
export function cellSpan(index: number, cell: number, first: number, count: number): [number, number] {
  const start = Math.floor(index * cell);
  return [first + start, first + Math.min(count, Math.max(start + 1, Math.ceil((index + 1) * cell))) - 1];
}

/** Lines and groups of a tensor, alone and as a range of their indices; `Row` begins a sentence. */
const spans = {
  row: [(at: number) => l10n.t('row {0}', at), (a: number, b: number) => l10n.t('rows {0}–{1}', a, b)],
  Row: [(at: number) => l10n.t('Row {0}', at), (a: number, b: number) => l10n.t('Rows {0}–{1}', a, b)],
  column: [
    (at: number) => l10n.t('column {0}', at),
    (a: number, b: number) => l10n.t('columns {0}–{1}', a, b),
  ],
  group: [(at: number) => l10n.t('group {0}', at), (a: number, b: number) => l10n.t('groups {0}–{1}', a, b)],
  'super-block': [
    (at: number) => l10n.t('super-block {0}', at),
    (a: number, b: number) => l10n.t('super-blocks {0}–{1}', a, b),
  ],
} as const;

/** What a range is of. */
export type SpanNoun = keyof typeof spans;

/** The same by themselves, for axes. */
export const spanWords: Readonly<Record<SpanNoun, string>> = {
  ...{ row: l10n.t('row'), Row: l10n.t('Row'), column: l10n.t('column'), group: l10n.t('group') },
  'super-block': l10n.t('super-block'),
};

/** "row 5", "rows 448–455". */
export function spanText(noun: SpanNoun, [first, last]: readonly [number, number]): string {
  const [one, several] = spans[noun];
  return first === last ? one(first) : several(first, last);
}
