import * as l10n from '@vscode/l10n';
import { dtypeNamed } from '../../model/dtypes';
import { markdownText } from '../../protocol/markdown';
import type { NamedTensor, NameMatch } from '../../protocol/names';
import type { GroupSuggestion, TensorSuggestion } from '../../protocol/planResults';
import { plural, size } from '../../protocol/words';
import { errorTable } from './errorTable';
import { roleText, savedShare } from './words';

/** Number of models named besides the described one. */
const maxOthers = 5;

/** What is known of a match, or why that could not be read. */
export type Known<T> = { readonly suggestion: T | undefined } | { readonly problem: string };

/** A match that is one tensor. */
export type TensorMatch = NameMatch & { readonly tensor: NamedTensor };

/**
 * Hover text of a tensor, as Markdown without links or HTML.
 * @param others the same name in other models, which the user may have meant.
 */
export function tensorText(
  { model, tensor }: TensorMatch,
  known: Known<TensorSuggestion>,
  others: readonly NameMatch[],
): string {
  const suggestion = 'suggestion' in known ? known.suggestion : undefined;
  const { row, assignment, noise } = suggestion ?? {};
  return paragraphs([
    lines([
      l10n.t('{0} in {1}', `**${markdownText(tensor.name)}**`, markdownText(model.name)),
      storage(tensor),
      place(tensor),
      'problem' in known ? problemText(known.problem) : suggestedFor(tensor, suggestion),
    ]),
    row ? errorTable(row, assignment, noise).join('\n') : '',
    basisText(suggestion),
    alsoIn(others),
  ]);
}

/** The same of a module, or of the tensors that a pattern meets. @param text as the document has it. */
export function groupText(
  text: string,
  match: NameMatch,
  known: Known<GroupSuggestion>,
  others: readonly NameMatch[],
): string {
  const suggestion = 'suggestion' in known ? known.suggestion : undefined;
  const { model, tensors, elements, byteLength, layers } = match;
  const facts = [
    plural(tensors, 'tensor'),
    ...(layers > 1 ? [l10n.t('in {0} layers', layers)] : []),
    ...(elements > 0 ? [plural(elements, 'weight')] : []),
    ...(byteLength > 0 ? [size(byteLength)] : []),
  ];
  return paragraphs([
    lines([
      l10n.t('{0} in {1}', `**${markdownText(text)}**`, markdownText(model.name)),
      facts.join(' · '),
      'problem' in known ? problemText(known.problem) : suggestedForGroup(suggestion),
    ]),
    basisText(suggestion),
    alsoIn(others),
  ]);
}

/** Lines of one paragraph: a hover shows a few hundred pixels before it scrolls. */
const lines = (parts: readonly string[]): string => parts.filter((part) => part !== '').join('  \n');

const paragraphs = (parts: readonly string[]): string => parts.filter((part) => part !== '').join('\n\n');

const problemText = (problem: string): string => l10n.t('No suggestion: {0}', markdownText(problem));

function storage({ dtype, shape, elements, byteLength, unreadableReason }: NamedTensor): string {
  const isKnown = dtypeNamed(dtype) !== undefined && elements > 0 && byteLength > 0;
  return [
    markdownText(dtype),
    ...(shape.length > 0 ? [markdownText(`[${shape.join(', ')}]`)] : []),
    ...(elements > 0 ? [plural(elements, 'weight')] : []),
    ...(byteLength > 0 ? [size(byteLength)] : []),
    ...(isKnown ? [bitsText((8 * byteLength) / elements)] : []),
    ...(unreadableReason === undefined ? [] : [markdownText(unreadableReason)]),
  ].join(' · ');
}

const bitsText = (bits: number): string => l10n.t('{0} bits per weight', bits.toFixed(2));

function place(tensor: NamedTensor): string {
  const { alias } = tensor;
  const role = roleText(tensor);
  const also = alias === undefined ? '' : l10n.t('also named {0}', markdownText(alias));
  return [role, also].filter((part) => part !== '').join(' · ');
}

function suggestedFor({ byteLength }: NamedTensor, suggestion: TensorSuggestion | undefined): string {
  const { assignment, row } = suggestion ?? {};
  if (!assignment) return row ? '' : l10n.t('No format is chosen for it: it keeps its precision.');
  const { format, bitsPerWeight, bytes, sources } = assignment;
  const isMerged = sources.length > 1;
  const before = isMerged ? (row?.lossless.bytes ?? 0) : byteLength;
  return [
    l10n.t('Suggested: {0}, {1}', `**${markdownText(format)}**`, bitsText(bitsPerWeight)),
    savedText(before, bytes),
    ...(isMerged
      ? [l10n.t('one of {0} that are written as {1}', sources.length, markdownText(assignment.tensor))]
      : []),
  ].join(' · ');
}

function suggestedForGroup(suggestion: GroupSuggestion | undefined): string {
  if (!suggestion) return l10n.t('No format is chosen for them: they keep their precision.');
  const { formats, bitsPerWeight, lossless, bytes, errors, tensors } = suggestion;
  const list = formats.map(({ format, tensors: count }) =>
    formats.length === 1
      ? `**${markdownText(format)}**`
      : `**${markdownText(format)}** × ${count.toLocaleString('en-US')}`,
  );
  const [least, most] = [formats[0]!, formats.at(-1)!].map((item) => item.bitsPerWeight.toFixed(2));
  const average = bitsPerWeight.toFixed(2);
  return [
    l10n.t('Suggested for {0}: {1}', plural(tensors, 'tensor'), list.join(', ')),
    least === most
      ? bitsText(bitsPerWeight)
      : l10n.t('{0} to {1} bits per weight, {2} on average', least!, most!, average),
    savedText(lossless, bytes),
    ...(errors ? [errorRange(errors)] : []),
  ].join(' · ');
}

function errorRange({ least, most }: NonNullable<GroupSuggestion['errors']>): string {
  const [from, to] = [least.toPrecision(3), most.toPrecision(3)];
  return from === to ? l10n.t('relative error {0}', from) : l10n.t('relative error {0} to {1}', from, to);
}

/** "110.59 kB, saves 282.62 kB (72 %)". */
const savedText = (before: number, after: number): string =>
  before > after
    ? l10n.t('{0}, saves {1} ({2})', size(after), size(before - after), savedShare(before, after))
    : size(after);

/** What plan and figures rest on. */
function basisText(
  suggestion: Pick<TensorSuggestion, 'isEstimate' | 'plannedBy' | 'evidence' | 'differences'> | undefined,
): string {
  const { isEstimate, plannedBy, evidence, differences = [] } = suggestion ?? {};
  const parts = [
    ...(plannedBy === undefined ? [] : [l10n.t('By a plan of {0}', markdownText(plannedBy))]),
    ...(differences.length === 0
      ? []
      : [l10n.t('measured otherwise than the figures: {0}', markdownText(differences.join('; ')))]),
    ...(isEstimate
      ? [
          l10n.t(
            'Estimate from the header, with errors of normally distributed weights: nothing was measured yet.',
          ),
        ]
      : evidence === undefined
        ? []
        : [l10n.t('Evidence: {0}', markdownText(evidence))]),
  ];
  return parts.join(' · ');
}

function alsoIn(others: readonly NameMatch[]): string {
  if (others.length === 0) return '';
  const shown = others
    .slice(0, maxOthers)
    .map((match) => `${markdownText(match.model.name)} (${markdownText(briefly(match))})`);
  const more = others.length - shown.length;
  const list = shown.join(', ');
  return more > 0 ? l10n.t('Also in: {0} and {1} more', list, more) : l10n.t('Also in: {0}', list);
}

const briefly = ({ tensor, tensors }: NameMatch): string =>
  tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : plural(tensors, 'tensor');
