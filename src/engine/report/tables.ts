import { dangerLine, dangerTitle } from '../../protocol/dangerText';
import { estimateText, percentText, preciseText } from '../../protocol/figures';
import type { EvaluationResult } from '../../protocol/evaluation';
import { resultName } from '../../protocol/resultName';
import { identityLines } from '../../protocol/overview';
import type { Plan } from '../../protocol/plan';
import { planRung, rungText, tableRung } from '../../protocol/rungs';
import { plural, shareText, size } from '../../protocol/words';
import type { KeptFacts, ReportFacts } from './facts';

/** A table in words. */
export interface ShownTable {
  readonly columns: readonly { readonly text: string; readonly isNumber?: true }[];
  readonly rows: readonly (readonly string[])[];
}

const number = (text: string) => ({ text, isNumber: true }) as const;

/** Four significant digits, with an SI prefix from ten thousand on. */
function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en-US');
  const power = Math.floor(Math.log10(Number(value.toPrecision(4))) / 3);
  return `${(value / 1000 ** power).toPrecision(4)} ${['', 'k', 'M', 'B', 'T', 'P'][power]}`;
}

/** Four significant digits; a power of ten where the number is small. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not defined' : value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e4 ? value.toExponential(3) : value.toPrecision(4);
  return text.replaceAll('-', '−');
}

const bits = (bytes: number, parameters: number): string =>
  parameters === 0 ? '–' : ((8 * bytes) / parameters).toFixed(2);

const share = (part: number, total: number): string => shareText(total === 0 ? 0 : part / total);

/** What a model is in some words: format, parameters, size. */
export function headFacts({ model }: ReportFacts): string[] {
  const { format, version, architecture, parameters, dataBytes, tensors, weightFiles } = model;
  return [
    architecture ?? 'unknown architecture',
    version === undefined ? format : `${format.toUpperCase()} v${version}`,
    `${count(parameters)} parameters`,
    plural(tensors.length, 'tensor'),
    size(dataBytes),
    `${bits(dataBytes, parameters)} bits per weight`,
    ...(weightFiles.total > 1 ? [plural(weightFiles.total, 'file')] : []),
  ];
}

/** What is odd, as sentences: code in the files first, then warnings. */
export function findingTexts({ model, findings }: ReportFacts): string[] {
  const danger = dangerTitle(model);
  return [
    ...(danger === undefined ? [] : [danger]),
    ...(model.dangers ?? []).map(dangerLine),
    ...findings.map(({ level, text }) => (level === 'warning' ? `Warning: ${text}` : text)),
  ];
}

export const identityTable = ({ identity }: ReportFacts): ShownTable => ({
  columns: [{ text: 'Property' }, { text: 'Value' }],
  rows: identityLines(identity).map(({ label, text }) => [label, text]),
});

/** Where the bytes are: roles, the largest first in each area. */
export function partsTable({ areas, model }: ReportFacts): ShownTable {
  const rows = areas.flatMap(({ label: area, roles }) => roles.map((role) => ({ ...role, area })));
  return {
    columns: [
      ...[{ text: 'Part' }, { text: 'Area' }, { text: 'Dtype' }],
      ...['Tensors', 'Parameters', 'Size', 'Bits per weight', 'Share'].map(number),
    ],
    rows: rows.map(({ label, area, dtype, tensors, parameters, bytes }) => [
      ...[label, area, dtype, count(tensors), count(parameters), size(bytes)],
      ...[bits(bytes, parameters), share(bytes, model.dataBytes)],
    ]),
  };
}

/**
 * Results of evaluations, the latest first; of those that differ in nothing that is shown but the date, the latest one.
 * @param hash of the model (`modelHash`): results of other models that were measured from it name their model.
 */
export function evaluationsTable({ evaluations }: Pick<KeptFacts, 'evaluations'>, hash: string): ShownTable {
  const latest = [...evaluations].sort((a, b) => (a.at < b.at ? 1 : -1));
  const rows = new Map<string, string[]>();
  for (const result of latest) {
    const [row, date] = [evaluationRow(result, hash), result.at.slice(0, 10)];
    const key = JSON.stringify(row);
    if (!rows.has(key)) rows.set(key, [...row, date]);
  }
  return {
    columns: [
      { text: 'Variant' },
      ...['Size', 'Bits per weight'].map(number),
      { text: 'Text' },
      ...['Perplexity', 'Mean KLD (nats)', 'Same top token'].map(number),
      { text: 'Date' },
    ],
    rows: [...rows.values()],
  };
}

function evaluationRow(result: EvaluationResult, hash: string): string[] {
  const { model, bytes, bitsPerWeight, text } = result;
  return [
    ...[resultName(result, model.hash === hash), size(bytes), bitsPerWeight.toFixed(2)],
    text ? baseName(text.path) : '–',
    text ? preciseText(text.perplexity) : '–',
    text?.divergence ? estimateText(text.divergence.mean) : '–',
    text?.divergence ? percentText(text.divergence.sameTopToken) : '–',
  ];
}

export const baseName = (path: string): string => path.replace(/^.*[\\/]/, '');

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** What a plan comes to, as lines of a label and a value. */
export function planLines({ total, preset, certificate, ...plan }: Plan): [label: string, text: string][] {
  const rung = planRung({ total, ...plan, ...(certificate ? { certificate } : {}) });
  return [
    ['Tensor data', `${size(total.bytes)}, ${total.bitsPerWeight.toFixed(2)} bits per weight`],
    ...(total.divergence === undefined
      ? []
      : [['Predicted KL divergence', `${figure(total.divergence)} nats per token`] as [string, string]]),
    ...(certificate
      ? [
          ['Measured KL divergence', `${estimateText(certificate.measured.mean)} nats per token`] as [
            string,
            string,
          ],
        ]
      : []),
    ...(preset
      ? [['Best preset of that size', `${preset.fileType}, ${size(preset.bytes)}`] as [string, string]]
      : []),
    ['Evidence', sentence(rungText(rung, plan))],
  ];
}

/** How many tensors a plan gives each format. */
export function planTable({ assignments }: Plan): ShownTable {
  const formats = new Map<string, { tensors: number; bytes: number }>();
  for (const { format, bytes } of assignments) {
    const known = formats.get(format) ?? { tensors: 0, bytes: 0 };
    formats.set(format, { tensors: known.tensors + 1, bytes: known.bytes + bytes });
  }
  const total = assignments.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    columns: [{ text: 'Format' }, ...['Tensors', 'Size', 'Share'].map(number)],
    rows: [...formats]
      .sort(([, a], [, b]) => b.bytes - a.bytes)
      .map(([format, { tensors, bytes }]) => [format, count(tensors), size(bytes), share(bytes, total)]),
  };
}

/** Tensors that are listed as the most sensitive ones. */
const mostListed = 15;

/** Tensors whose errors change the output most, per unit of relative squared error; undefined without gains. */
export function gainsTable({
  sensitivity,
}: KeptFacts): (ShownTable & { readonly caption: string }) | undefined {
  if (!sensitivity?.gainsFrom) return undefined;
  const rows = sensitivity.rows.flatMap(({ tensor, gain, weights }) =>
    gain === undefined ? [] : [{ tensor, gain, weights }],
  );
  const most = rows.sort((a, b) => b.gain - a.gain).slice(0, mostListed);
  return {
    caption: `${sentence(rungText(tableRung(sensitivity), sensitivity))} Over ${baseName(sensitivity.gainsFrom.text)}.`,
    columns: [{ text: 'Tensor' }, number('Weights'), number('KL divergence per unit of error (nats)')],
    rows: most.map(({ tensor, gain, weights }) => [tensor, count(weights), figure(gain)]),
  };
}
