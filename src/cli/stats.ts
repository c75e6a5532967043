import type { CodeAnalysis, GroupMap, StoredAnalysis } from '../protocol/analysis';
import { float32Rows } from '../protocol/float32Rows';
import { size } from '../protocol/words';
import { countOption, requiredOption, type Command } from './command';
import { count, figure, number, table } from './text';

export const stats: Command = {
  name: 'stats',
  operand: 'MODEL',
  summary: 'Show statistics, histogram and outliers of a tensor',
  options: {
    tensor: { type: 'string', value: 'NAME', help: 'name of the tensor', required: true },
    bins: { type: 'string', value: 'N', help: 'number of bins of the histogram' },
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const bins = countOption(context, 'bins');
    const tensor = requiredOption(context, 'tensor');
    const analysis = await jobs['tensor/analyse'](
      { ...model, tensor, ...(bins === undefined ? {} : { bins }) },
      { signal, progress },
    );
    const { tensors } = await jobs['model/open'](model, { signal, progress });
    const isStored = tensors.find(({ name }) => name === tensor)?.stored !== undefined;
    const stored = isStored
      ? await jobs['tensor/stored']({ ...model, tensor }, { signal, progress })
      : undefined;
    const { statistics: s, outliers } = analysis;
    const rows: [string, string][] = [
      ['weights', count(s.count)],
      ['min', figure(s.min)],
      ['max', figure(s.max)],
      ['mean', figure(s.mean)],
      ['standard deviation', figure(s.standardDeviation)],
      ['kurtosis', figure(s.kurtosis)],
      ['zeros', count(s.zeros)],
      ['NaN', count(s.nans)],
      ['infinite', count(s.infinities)],
      ...float32Rows(s).map(([name, value]): [string, string] => [name, count(value)]),
      ...s.percentiles.map(({ percent, value }): [string, string] => [
        `percentile ${percent}`,
        figure(value),
      ]),
    ];
    const lines = (kind: string, list: typeof outliers.outlierRows): string[] =>
      list.length === 0
        ? []
        : [
            '',
            `${kind} that stand out`,
            ...table(
              ['index', 'max |w|', 'score'],
              list.map((line) => [line.index, number(line.absMax), line.score.toFixed(1)]),
            ),
          ];
    const text = [
      analysis.tensor,
      ...table(['statistic', 'value'], rows),
      ...lines('Rows', outliers.outlierRows),
      ...lines('Columns', outliers.outlierColumns),
      ...(stored ? storedLines(stored) : []),
    ];
    return { json: { ...analysis, ...(stored ? { stored } : {}) }, lines: text };
  },
};

/** How a weight of a quantized checkpoint is stored. */
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

function codeRows({ levels, counts, saturated, scales, zeros }: CodeAnalysis): [string, string][] {
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
  ];
}
