import type { OutlierLine, TensorAnalysis } from '../src/protocol/analysis';
import { float32Rows } from '../src/protocol/float32Rows';
import { markdownCode, markdownText } from '../src/protocol/markdown';
import type { TensorDescriptor } from '../src/protocol/model';
import { size } from '../src/protocol/words';
import { bits, figure, number, shapeText } from './format';

/** A tensor in Markdown: what it is, its statistics and the lines that stand out, as far as it was read. What comes from files is text. */
export function tensorSummary(model: string, tensor: TensorDescriptor, analysis?: TensorAnalysis): string {
  const { name, dtype, shape, byteLength, elements, file } = tensor;
  const facts = [
    ...[model, dtype, shapeText(shape), size(byteLength)],
    ...(elements > 0 ? [`${bits((8 * byteLength) / elements)} bits per weight`] : []),
    file.replace(/^.*[\\/]/, ''),
  ];
  return [
    `### ${markdownCode(name)}`,
    markdownText(facts.join(' · ')),
    ...(analysis ? [statisticsTable(analysis), ...lineSentences(analysis)] : []),
    '',
  ].join('\n\n');
}

function statisticsTable({ statistics: s }: TensorAnalysis): string {
  const count = (value: number): string => value.toLocaleString('en-US');
  const rows: [label: string, text: string][] = [
    ['minimum', figure(s.min)],
    ['maximum', figure(s.max)],
    ['mean', figure(s.mean)],
    ['std. deviation', figure(s.standardDeviation)],
    ['kurtosis', figure(s.kurtosis)],
    ...s.percentiles.map(({ percent, value }): [string, string] => [`${percent} %`, figure(value)]),
    ['zeros', count(s.zeros)],
    ...(s.nans > 0 ? [['NaN', count(s.nans)] as [string, string]] : []),
    ...(s.infinities > 0 ? [['infinite', count(s.infinities)] as [string, string]] : []),
    ...float32Rows(s).map(([label, value]): [string, string] => [label, count(value)]),
  ];
  return [
    '| Figure | Value |',
    '| --- | ---: |',
    ...rows.map(([label, text]) => `| ${label} | ${text} |`),
  ].join('\n');
}

/** Lines that are named, at most. */
const mostNamed = 5;

function lineSentences({ outliers }: TensorAnalysis): string[] {
  const sentence = (noun: string, lines: readonly OutlierLine[]): string[] => {
    if (lines.length === 0) return [];
    const named = lines
      .slice(0, mostNamed)
      .map(({ index, absMax, score }) => `${index} (max ${number(absMax)}, ${score.toFixed(1)} σ)`);
    const rest = lines.length - named.length;
    return [`${noun} that stand out: ${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}.`];
  };
  return [...sentence('Rows', outliers.outlierRows), ...sentence('Columns', outliers.outlierColumns)];
}
