import * as l10n from '@vscode/l10n';
import type { CommandTab } from './editorState';
import { limitNote } from './limitNote';
import type { ModelDescription, ModelLimits } from './model';
import type { TensorKind, TensorTable } from './tensorTable';
import { plural, shareText } from './words';

/** Where a finding leads: a page, or a tensor. */
export type FindingLink =
  { readonly label: string; readonly tab: CommandTab } | { readonly label: string; readonly tensor: string };

/** What is odd about a model, in a sentence or two. */
export interface Finding {
  readonly level: 'warning' | 'note';
  readonly text: string;
  readonly link?: FindingLink;
}

/** Of how many tensors something holds. */
interface Count {
  readonly tensors: number;
  /** Share of all weights. */
  readonly share: number;
  /** Index of the first; −1 where there are none. */
  readonly first: number;
}

/**
 * All that is odd about a model, as far as its headers tell: warnings first.
 * @param limits of the model; nothing is said of them until they are known.
 */
export function findingsOf(model: ModelDescription, table: TensorTable, limits: ModelLimits = {}): Finding[] {
  const limit = limitNote(limits);
  const warnings = model.warnings.map((text): Finding => ({ level: 'warning', text }));
  const notes = model.notes.map((text): Finding => ({ level: 'note', text }));
  return [
    ...warnings,
    ...unreadable(table),
    ...(limit === undefined ? [] : [{ level: 'note', text: limit } as const]),
    ...notes,
    ...oddRows(table),
    ...wideFloats(table),
    ...quantizedAlready(model, table),
    ...empty(table),
  ];
}

function unreadable(table: TensorTable): Finding[] {
  const { tensors, first } = countOf(table, ({ readable }) => !readable);
  if (tensors === 0) return [];
  const name = table.name(first);
  const reason = table.kinds[table.kindOf(first)]!.unreadableReason;
  const text = l10n.t(
    '{0} cannot be read{1}{2}',
    plural(tensors, 'tensor'),
    tensors === 1 ? '' : l10n.t(', the first is {0}', name),
    reason === undefined ? '.' : `: ${reason}`,
  );
  return [{ level: 'warning', text, link: { label: l10n.t('Show it'), tensor: name } }];
}

/** Weights in a super-block of ggml's K and IQ types. */
const superBlock = 256;
const isMatrix = ({ shape, elements }: TensorKind): boolean => shape.length > 1 && elements > 0;
const rowLength = ({ shape }: TensorKind): number => shape.at(-1) ?? 0;

function oddRows(table: TensorTable): Finding[] {
  const { tensors, share, first } = countOf(
    table,
    (kind) => isMatrix(kind) && rowLength(kind) >= 32 && rowLength(kind) % superBlock !== 0,
  );
  if (tensors === 0 || share < 0.005) return [];
  const length = rowLength(table.kinds[table.kindOf(first)]!);
  const text = l10n.t(
    '{0} with {1} of the weights have rows that are no multiple of {2} ({3} in {4}): the K and IQ types of GGUF do not fit them, and exports use others there.',
    plural(tensors, 'matrix', 'matrices'),
    shareText(share),
    superBlock,
    length,
    table.name(first),
  );
  return [{ level: 'note', text, link: { label: l10n.t('See the export'), tab: 'export' } }];
}

function wideFloats(table: TensorTable): Finding[] {
  const { tensors, share } = countOf(table, (kind) => isMatrix(kind) && /^F(32|64)$/.test(kind.dtype));
  if (share < 0.5) return [];
  const text = l10n.t(
    '{0} of the weights, in {1}, are floats of 32 bits or more: BF16 takes half of that, with the range of F32.',
    shareText(share),
    plural(tensors, 'matrix', 'matrices'),
  );
  return [{ level: 'note', text, link: { label: l10n.t('Export as BF16…'), tab: 'export' } }];
}

/** Bits per weight below which a tensor of a GGUF file was quantized. */
const quantizedBits = 9;

function quantizedAlready({ format }: ModelDescription, table: TensorTable): Finding[] {
  if (format !== 'gguf') return [];
  const { tensors, share } = countOf(
    table,
    (kind) => isMatrix(kind) && (8 * kind.byteLength) / kind.elements < quantizedBits,
  );
  if (share < 0.005) return [];
  const text = l10n.t(
    '{0} with {1} of the weights are quantized already: what is made of them has the error of both steps. Plans and exports of the original are better.',
    plural(tensors, 'matrix', 'matrices'),
    shareText(share),
  );
  return [{ level: 'note', text, link: { label: l10n.t('Compare with the original'), tab: 'compare' } }];
}

function empty(table: TensorTable): Finding[] {
  const { tensors, first } = countOf(table, ({ elements }) => elements === 0);
  if (tensors === 0) return [];
  const text = l10n.t(
    '{0} without any element: {1}{2}.',
    plural(tensors, 'tensor'),
    table.name(first),
    tensors === 1 ? '' : l10n.t(' and {0} more', tensors - 1),
  );
  return [{ level: 'note', text, link: { label: l10n.t('Show it'), tensor: table.name(first) } }];
}

/** Each kind is looked at once. */
function countOf(table: TensorTable, holds: (kind: TensorKind) => boolean): Count {
  const isIn = table.kinds.map(holds);
  let [tensors, weights, all, first] = [0, 0, 0, -1];
  for (let i = 0; i < table.count; i++) {
    const kind = table.kindOf(i);
    const { elements } = table.kinds[kind]!;
    all += elements;
    if (!isIn[kind]) continue;
    if (first < 0) first = i;
    tensors += 1;
    weights += elements;
  }
  return { tensors, share: all === 0 ? 0 : weights / all, first };
}
