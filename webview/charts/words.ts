import type { Histogram } from '../../src/protocol/analysis';
import { greatestOf } from '../../src/protocol/extremes';
import { figure } from '../format';

/** What a histogram shows, in a sentence: how many values, where they lie, and where most of them do. */
export function histogramWords({ min, max, counts }: Histogram, of: string): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return `Histogram of ${of}: no values.`;
  const fullest = counts.indexOf(greatestOf(counts));
  const end = (bin: number): string => figure(min + ((max - min) * bin) / counts.length);
  const values = total === 1 ? '1 value' : `${total.toLocaleString('en-US')} values`;
  return `Histogram of ${of}: ${values} from ${figure(min)} to ${figure(max)}, most of them between ${end(fullest)} and ${end(fullest + 1)}.`;
}
