import { z } from 'zod';
import type { TensorAnalysis } from '../protocol/analysis';
import { figureField, figureOf, figureText } from './fields';

/** Rows and columns that an answer names. */
const namedLines = 8;

const lineSchema = z.object({
  index: z.number(),
  absMax: figureField,
  score: figureField.describe('Robust deviations of its largest magnitude above the median line'),
});

/** Statistics of a tensor, over its finite weights; null: not defined. */
export const statisticsSchema = z.object({
  count: z.number(),
  min: figureField,
  max: figureField,
  mean: figureField,
  standardDeviation: figureField,
  kurtosis: figureField.describe('Fourth standardised moment: 3 for a normal distribution'),
  zeros: z.number(),
  nans: z.number(),
  infinities: z.number(),
  percentiles: z.array(z.object({ percent: z.number(), value: figureField })),
  sigma: figureField.describe('Root mean square'),
  beyondSigma: z.array(z.object({ k: z.number(), count: z.number() })).describe('Weights with |w| > k σ'),
  outlierRows: z.array(lineSchema),
  outlierColumns: z.array(lineSchema),
  deadRows: z.number().describe('Rows of zeros'),
  deadColumns: z.number(),
});

export function statisticsOf(analysis: TensorAnalysis): z.infer<typeof statisticsSchema> {
  const { statistics, outliers, outlierCounts } = analysis;
  const { count, zeros, nans, infinities, percentiles } = statistics;
  const lines = (all: typeof outliers.outlierRows) =>
    all.slice(0, namedLines).map(({ index, absMax, score }) => ({
      ...{ index, absMax: figureOf(absMax), score: figureOf(score) },
    }));
  return {
    ...{ count, zeros, nans, infinities },
    min: figureOf(statistics.min),
    max: figureOf(statistics.max),
    mean: figureOf(statistics.mean),
    standardDeviation: figureOf(statistics.standardDeviation),
    kurtosis: figureOf(statistics.kurtosis),
    percentiles: percentiles.map(({ percent, value }) => ({ percent, value: figureOf(value) })),
    sigma: figureOf(outlierCounts.sigma),
    beyondSigma: outlierCounts.beyond.map(({ k, count: weights }) => ({ k, count: weights })),
    outlierRows: lines(outliers.outlierRows),
    outlierColumns: lines(outliers.outlierColumns),
    deadRows: outliers.deadRows.count,
    deadColumns: outliers.deadColumns.count,
  };
}

/** The same as lines of text. */
export function statisticsLines({ statistics, outliers, outlierCounts }: TensorAnalysis): string[] {
  const { count, min, max, mean, standardDeviation, kurtosis, zeros, nans, infinities } = statistics;
  const lines = (kind: string, all: typeof outliers.outlierRows): string[] =>
    all.length === 0
      ? []
      : [
          `${kind} that stand out: ${all
            .slice(0, namedLines)
            .map(({ index, absMax }) => `${index} (max |w| ${figureText(absMax)})`)
            .join(', ')}`,
        ];
  const beyond = outlierCounts.beyond.map(({ k, count: weights }) => `${weights} beyond ${k} σ`);
  return [
    `${count} weights from ${figureText(min)} to ${figureText(max)}, mean ${figureText(mean)}, standard deviation ${figureText(standardDeviation)}, kurtosis ${figureText(kurtosis)}`,
    `${zeros} zeros, ${nans} NaN, ${infinities} infinite; ${outliers.deadRows.count} rows and ${outliers.deadColumns.count} columns of zeros`,
    `σ (root mean square) ${figureText(outlierCounts.sigma)}: ${beyond.join(', ')}`,
    ...lines('Rows', outliers.outlierRows),
    ...lines('Columns', outliers.outlierColumns),
  ];
}
