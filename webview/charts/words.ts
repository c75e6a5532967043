import * as l10n from '@vscode/l10n';
import type { Histogram } from '../../src/protocol/analysis';
import { greatestOf } from '../../src/protocol/extremes';
import { plural } from '../../src/protocol/words';
import { figure } from '../format';

/** What a histogram shows, in a sentence: how many values, where they lie, and where most of them do. */
export function histogramWords({ min, max, counts }: Histogram, of: string): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return l10n.t('Histogram of {0}: no values.', of);
  const fullest = counts.indexOf(greatestOf(counts));
  const end = (bin: number): string => figure(min + ((max - min) * bin) / counts.length);
  const values = plural(total, 'value');
  return l10n.t(
    'Histogram of {0}: {1} from {2} to {3}, most of them between {4} and {5}.',
    of,
    values,
    figure(min),
    figure(max),
    end(fullest),
    end(fullest + 1),
  );
}
