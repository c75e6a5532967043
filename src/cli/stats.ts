import type {
  CodeAnalysis,
  GroupMap,
  Histogram,
  OutlierCounts,
  OutlierLine,
  StoredAnalysis,
  TensorStatistics,
} from '../protocol/analysis';
import { float32Rows } from '../protocol/float32Rows';
import { isStoredQuantized } from '../protocol/ggmlTypes';
import { size } from '../protocol/words';
import { loraOption } from './adapters';
import {
  countOption,
  requiredOption,
  textOption,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { count, figure, number, table } from './text';
import { tabled } from '../protocol/tensorTable';

/** Where names of tensors come from. */
const namesOf = '“quantscope inspect MODEL” lists the tensors of a model.';

export const stats: Command = {
  name: 'stats',
  operand: 'MODEL',
  summary: 'Show statistics, histogram and outliers of a tensor',
  options: {
    tensor: { type: 'string', value: 'NAME', help: 'name of the tensor', required: true, source: namesOf },
    bins: { type: 'string', value: 'N', help: 'number of bins of the histogram' },
    range: valueOption('MIN:MAX', 'range of the histogram; the extremes of the tensor by default'),
    lora: loraOption,
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const bins = countOption(context, 'bins');
    const range = rangeOption(context);
    const tensor = requiredOption(context, 'tensor');
    const analysis = await jobs['tensor/analyse'](
      { ...model, tensor, ...(bins === undefined ? {} : { bins }), ...(range ? { range } : {}) },
      { signal, progress },
    );
    const { tensors } = tabled(await jobs['model/open'](model, { signal, progress }));
    const descriptor = tensors.find(({ name }) => name === tensor);
    const stored =
      descriptor && isStoredQuantized(descriptor)
        ? await jobs['tensor/stored']({ ...model, tensor }, { signal, progress })
        : undefined;
    const { outliers } = analysis;
    const text = [
      analysis.tensor,
      ...table(
        ['statistic', 'value'],
        [...statisticRows(analysis.statistics), ...outlierRows(analysis.outlierCounts)],
      ),
      ...histogramLines(analysis.histogram, bins ?? printedBins),
      ...outlierLines('Rows', outliers.outlierRows),
      ...outlierLines('Columns', outliers.outlierColumns),
      ...(stored ? storedLines(stored) : []),
    ];
    return { json: { ...analysis, ...(stored ? { stored } : {}) }, lines: text };
  },
};

function statisticRows(statistics: TensorStatistics): (readonly [string, string])[] {
  return [
    ['weights', count(statistics.count)],
    ['min', figure(statistics.min)],
    ['max', figure(statistics.max)],
    ['mean', figure(statistics.mean)],
    ['standard deviation', figure(statistics.standardDeviation)],
    ['kurtosis', figure(statistics.kurtosis)],
    ['zeros', count(statistics.zeros)],
    ['NaN', count(statistics.nans)],
    ['infinite', count(statistics.infinities)],
    ...float32Rows(statistics).map(([name, value]) => [name, count(value)] as const),
    ...statistics.percentiles.map(({ percent, value }) => [`percentile ${percent}`, figure(value)] as const),
  ];
}

/** σ is the root mean square. */
function outlierRows({ sigma, beyond, columns }: OutlierCounts): (readonly [string, string])[] {
  return [
    ['root mean square (σ)', figure(sigma)],
    ...beyond.map(({ k, count: weights }) => [`beyond ${k} σ`, count(weights)] as const),
    ...(columns ? ([['columns beyond 6 σ', count(columns.count)]] as const) : []),
  ];
}

/** @throws UsageError for anything but two numbers, the lower one first. */
function rangeOption(context: CommandContext): { min: number; max: number } | undefined {
  const text = textOption(context, 'range');
  if (text === undefined) return undefined;
  const parts = text.split(':').map((part) => (part.trim() === '' ? NaN : Number(part)));
  const [min = NaN, max = NaN] = parts;
  if (parts.length !== 2 || !Number.isFinite(min) || !Number.isFinite(max) || min >= max)
    throw new UsageError(`--range takes two numbers as MIN:MAX, the lower one first, not "${text}".`);
  return { min, max };
}

/** Bars of the histogram as it is printed, and characters of the longest one. */
const printedBins = 20;
const barWidth = 40;

/** One line for each bin, or, where there are more than `most`, for several of them. */
function histogramLines({ min, max, counts, outside }: Histogram, most: number): string[] {
  if (counts.length === 0) return [];
  const merged = Math.ceil(counts.length / most);
  const sums = Array.from({ length: Math.ceil(counts.length / merged) }, (_, i) =>
    counts.slice(i * merged, (i + 1) * merged).reduce((sum, amount) => sum + amount, 0),
  );
  const largest = sums.reduce((most, amount) => Math.max(most, amount), 1);
  const width = ((max - min) / counts.length) * merged;
  const rows = sums.map((amount, i) => [
    number(min + i * width),
    count(amount),
    '█'.repeat(Math.round((barWidth * amount) / largest)),
  ]);
  const rest = outside
    ? [`Outside of the range: ${count(outside.below)} below, ${count(outside.above)} above.`]
    : [];
  return ['', ...table(['from', 'weights', 'histogram'], rows), ...rest];
}

function outlierLines(kind: 'Rows' | 'Columns', lines: readonly OutlierLine[]): string[] {
  if (lines.length === 0) return [];
  const rows = lines.map((line) => [line.index, number(line.absMax), line.score.toFixed(1)]);
  return ['', `${kind} that stand out`, ...table(['index', 'max |w|', 'score'], rows)];
}

/** How a quantized weight is stored. */
function storedLines({ bitsPerWeight, parts, codes }: StoredAnalysis): string[] {
  return [
    '',
    `Stored in ${bitsPerWeight.toFixed(2)} bits per weight`,
    ...table(
      ['part', 'dtype', 'shape', 'size'],
      parts.map(({ name, dtype, shape, bytes }) => [name, dtype, shape.join(' × '), size(bytes)]),
    ),
    ...(codes ? ['', ...table(['codes', 'value'], codeRows(codes))] : []),
  ];
}

function codeRows({ levels, counts, saturated, scales, zeros, minimums }: CodeAnalysis): [string, string][] {
  const total = counts.reduce((sum, amount) => sum + amount, 0);
  const share = (amount: number): string => `${((100 * amount) / total).toFixed(2)} %`;
  const range = ({ min, max }: GroupMap): string => `${number(min)} to ${number(max)}`;
  return [
    ['levels', `${levels.length}, ${number(levels[0]!)} to ${number(levels.at(-1)!)}`],
    ['at the lowest level', share(saturated.lowest)],
    ['at the highest level', share(saturated.highest)],
    ['groups per row', count(scales.groups)],
    ['scales', range(scales)],
    ...(zeros ? [['zero points', range(zeros)] satisfies [string, string]] : []),
    ...(minimums ? [['minimums', range(minimums)] satisfies [string, string]] : []),
  ];
}
