import { dtypeNamed } from '../model/dtypes';
import type { TensorSuggestion } from '../protocol/planResults';
import type { FoundTensor } from '../protocol/model';
import type { SensitivityRow } from '../protocol/plan';
import { markdownText } from '../protocol/markdown';
import { plural } from '../protocol/words';

/** Number of models named besides the described one. */
const maxOthers = 5;

/** What is known of a tensor, or why that could not be read. */
type Suggestion = TensorSuggestion & { readonly problem?: string };

/**
 * Hover text of a tensor, as Markdown without links or HTML.
 * @param others the same name in other models, which the user may have meant.
 */
export function hoverText(
  { model, tensor }: FoundTensor,
  suggestion: Suggestion,
  others: readonly FoundTensor[],
): string {
  const { row, evidence, noise } = suggestion;
  const lines = [
    `**${markdownText(tensor.name)}** in ${markdownText(model.name)}`,
    '',
    storage(tensor),
    '',
    suggested(suggestion),
    ...(row && row.cells.length > 0 ? ['', ...errorTable(row, noise)] : []),
    ...(row && row.cells.length > 0 && evidence !== undefined
      ? ['', `Evidence: ${markdownText(evidence)}`]
      : []),
    ...(others.length > 0 ? ['', alsoIn(others)] : []),
  ];
  return lines.join('\n');
}

function storage({ dtype, shape, elements, byteLength }: FoundTensor['tensor']): string {
  const parts = [markdownText(dtype)];
  if (shape.length > 0) parts.push(markdownText(`[${shape.join(', ')}]`));
  if (elements > 0) parts.push(plural(elements, 'weight'));
  if (dtypeNamed(dtype) && elements > 0 && byteLength > 0)
    parts.push(`${((8 * byteLength) / elements).toFixed(2)} bits per weight`);
  return parts.join(' · ');
}

function suggested({ assignment, plannedBy, differences = [], problem }: Suggestion): string {
  if (problem !== undefined) return `No suggestion: ${markdownText(problem)}`;
  if (!assignment) return 'No suggestion yet: run the sensitivity analysis of the model.';
  const { format, bitsPerWeight } = assignment;
  const text = `Suggested: **${markdownText(format)}**, ${bitsPerWeight.toFixed(2)} bits per weight`;
  const basis = [
    ...(plannedBy === undefined ? [] : [`by a plan of ${plannedBy}`]),
    ...(differences.length === 0
      ? []
      : [`measured otherwise than the figures below: ${differences.join('; ')}`]),
  ];
  return basis.length === 0 ? text : `${text} (${markdownText(basis.join(', '))})`;
}

/** Errors of the tensor in each format; where its gain is known also the KL divergence that they are predicted to cause. */
function errorTable({ cells, gain }: SensitivityRow, noise = 0): string[] {
  const rows = cells.map(({ format, bitsPerWeight, relativeSquaredError, sqnr }) => [
    ...[markdownText(format), bitsPerWeight.toFixed(2), figure(Math.sqrt(relativeSquaredError), 3)],
    Number.isFinite(sqnr) ? sqnr.toFixed(1) : sqnr === Infinity ? '∞' : 'not defined',
    ...(gain === undefined ? [] : [divergenceText(gain * relativeSquaredError, noise)]),
  ]);
  const heading = ['format', 'bits', 'relative error', 'SQNR dB'];
  if (gain !== undefined) heading.push('KL divergence');
  const rule = heading.map((_, i) => (i === 0 ? ':--' : '--:'));
  return [heading, rule, ...rows].map((line) => `| ${line.join(' | ')} |`);
}

const figure = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toPrecision(digits) : 'not defined';

const divergenceText = (value: number, noise: number): string =>
  value < noise ? markdownText('< noise') : figure(value, 2);

function alsoIn(others: readonly FoundTensor[]): string {
  const shown = others
    .slice(0, maxOthers)
    .map(
      ({ model, tensor }) =>
        `${markdownText(model.name)} (${markdownText(`${tensor.dtype} [${tensor.shape.join(', ')}]`)})`,
    );
  const more = others.length > maxOthers ? ` and ${others.length - maxOthers} more` : '';
  return `Also in: ${shown.join(', ')}${more}`;
}

/**
 * The models in the order in which a name is looked up: the one in use, other open ones, those of the document's folder, the rest; each once.
 * @param open paths of open models, the one in use first.
 * @param models files of the workspace's models.
 */
export function lookupOrder(
  open: readonly string[],
  models: readonly { readonly file: string; readonly folder: string }[],
  documentFolder: string,
): string[] {
  const near = models.filter(({ folder }) => folder === documentFolder);
  const ordered = [...open, ...[...near, ...models].map(({ file }) => file)];
  return [...new Set(ordered)];
}
