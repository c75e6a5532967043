import type { CommandTab } from './editorState';
import { limitNote } from './limitNote';
import type { ModelDescription } from './model';
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

/** All that is odd about a model, as far as its headers tell: warnings first. */
export function findingsOf(model: ModelDescription, table: TensorTable): Finding[] {
  const limit = limitNote(model);
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
  const text = `${plural(tensors, 'tensor')} cannot be read${tensors === 1 ? '' : `, the first is ${name}`}${reason === undefined ? '.' : `: ${reason}`}`;
  return [{ level: 'warning', text, link: { label: 'Show it', tensor: name } }];
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
  const text = `${plural(tensors, 'matrix', 'matrices')} with ${shareText(share)} of the weights have rows that are no multiple of ${superBlock} (${length} in ${table.name(first)}): the K and IQ types of GGUF do not fit them, and exports use others there.`;
  return [{ level: 'note', text, link: { label: 'See the export', tab: 'export' } }];
}

function wideFloats(table: TensorTable): Finding[] {
  const { tensors, share } = countOf(table, (kind) => isMatrix(kind) && /^F(32|64)$/.test(kind.dtype));
  if (share < 0.5) return [];
  const text = `${shareText(share)} of the weights, in ${plural(tensors, 'matrix', 'matrices')}, are floats of 32 bits or more: BF16 takes half of that, with the range of F32.`;
  return [{ level: 'note', text, link: { label: 'Export as BF16…', tab: 'export' } }];
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
  const text = `${plural(tensors, 'matrix', 'matrices')} with ${shareText(share)} of the weights are quantized already: what is made of them has the error of both steps. Plans and exports of the original are better.`;
  return [{ level: 'note', text, link: { label: 'Compare with the original', tab: 'compare' } }];
}

function empty(table: TensorTable): Finding[] {
  const { tensors, first } = countOf(table, ({ elements }) => elements === 0);
  if (tensors === 0) return [];
  const text = `${plural(tensors, 'tensor')} without any element: ${table.name(first)}${tensors === 1 ? '' : ` and ${tensors - 1} more`}.`;
  return [{ level: 'note', text, link: { label: 'Show it', tensor: table.name(first) } }];
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
