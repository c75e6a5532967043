import * as l10n from '@vscode/l10n';
import type { TensorStatistics } from './analysis';

/** How many values of a tensor float32 does not hold, by name; only those that there are. */
export function float32Rows(
  statistics: Pick<TensorStatistics, 'beyondFloat32' | 'belowFloat32' | 'roundedIntegers'>,
): [name: string, count: number][] {
  const { beyondFloat32, belowFloat32, roundedIntegers } = statistics;
  const all: [string, number][] = [
    [l10n.t('beyond float32'), beyondFloat32],
    [l10n.t('0 in float32'), belowFloat32],
    [l10n.t('rounded to float32'), roundedIntegers],
  ];
  return all.filter(([, count]) => count > 0);
}
