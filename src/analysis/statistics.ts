import type { ScanResult } from '../native';
import type { TensorStatistics } from '../protocol/analysis';
import type { Float32Losses } from './float32';

/**
 * What a scan found, of the weights as the file has them: values that float32 cannot hold were scanned as infinite or as 0.
 * @param percents those that the scan was asked for.
 */
export function statisticsOf(
  result: ScanResult,
  losses: Float32Losses,
  percents: readonly number[] = [],
): TensorStatistics {
  const { count, min, max, mean, standardDeviation, kurtosis, absMax, zeros, nans, infinities } = result;
  const percentiles = percents.map((percent, i) => ({ percent, value: result.percentiles[i] ?? NaN }));
  return {
    ...{ count, min, max, mean, standardDeviation, kurtosis, absMax, nans, percentiles },
    zeros: zeros - losses.below,
    infinities: infinities - losses.beyond,
    beyondFloat32: losses.beyond,
    belowFloat32: losses.below,
    roundedIntegers: losses.rounded,
  };
}
