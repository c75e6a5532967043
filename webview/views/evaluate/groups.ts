import * as l10n from '@vscode/l10n';
import type { EvaluationResult } from '../../../src/protocol/evaluation';
import { plural } from '../../../src/protocol/words';
import type { Column } from './columns';

/** Results that can be compared: the same tokens, cut in the same way, or the same questions. */
export interface ResultGroup {
  readonly key: string;
  /** The text's or the questions' file. */
  readonly title: string;
  readonly settings: string;
  readonly results: readonly EvaluationResult[];
}

/** By what was scored; the group of the latest result first. */
export function groupsOf(results: readonly EvaluationResult[]): readonly ResultGroup[] {
  const groups = new Map<string, EvaluationResult[]>();
  for (const result of results) {
    const key = result.pairs?.hash ?? result.text?.hash ?? `questions ${result.tasks?.file ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups].map(([key, members]) => ({ key, ...describe(members[0]!), results: members }));
}

function describe({ text, tasks, pairs }: EvaluationResult): Pick<ResultGroup, 'title' | 'settings'> {
  if (pairs) {
    const cut =
      pairs.cut === 0
        ? ''
        : l10n.t(' · {0} cut to {1}', plural(pairs.cut, 'text'), plural(pairs.longest, 'token'));
    const settings = `${plural(pairs.pairs, 'pair')}, ${plural(pairs.documents, 'document')}${cut}`;
    return { title: baseName(pairs.file), settings };
  }
  if (!text) return { title: baseName(tasks?.file ?? ''), settings: l10n.t('questions only') };
  const { convention, context, stride, windows, scoredTokens } = text;
  const cut =
    convention === 'sliding'
      ? l10n.t('sliding windows of {0}, stride {1}', context, stride)
      : l10n.t('windows of {0} as llama.cpp', context);
  const tokens = scoredTokens.toLocaleString('en-US');
  const amount =
    windows === 1
      ? l10n.t('{0} window, {1} tokens scored', windows, tokens)
      : l10n.t('{0} windows, {1} tokens scored', windows, tokens);
  return { title: baseName(text.path), settings: `${cut} · ${amount}` };
}

/** What a table is ordered by. */
export interface Order {
  readonly column: Column;
  readonly descending: boolean;
}

/** Sorted; figures that a run did not measure come last in both directions. */
export function ordered(
  results: readonly EvaluationResult[],
  { column, descending }: Order,
): readonly EvaluationResult[] {
  const sign = descending ? -1 : 1;
  return [...results].sort((a, b) => {
    const [left, right] = [column.value(a), column.value(b)];
    if (left === undefined || right === undefined)
      return Number(left === undefined) - Number(right === undefined);
    return sign * (left < right ? -1 : left > right ? 1 : 0);
  });
}

export const baseName = (path: string): string => path.replace(/^.*[\\/]/, '');
