import { float32Rows } from '../protocol/float32Rows';
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
    const analysis = await jobs['tensor/analyse'](
      { ...model, tensor: requiredOption(context, 'tensor'), ...(bins === undefined ? {} : { bins }) },
      { signal, progress },
    );
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
    ];
    return { json: analysis, lines: text };
  },
};
