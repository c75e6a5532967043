import * as l10n from '@vscode/l10n';
/** What is taken of one dimension. */
export interface SlicePart {
  readonly first: number;
  readonly count: number;
  /** Whether it is one index, which NumPy leaves out of the result's shape. */
  readonly isIndex: boolean;
}

/** A rectangle of a tensor: one part for each of its dimensions. */
export interface Slice {
  readonly shape: readonly number[];
  readonly parts: readonly SlicePart[];
  /** Rows and columns of the slice: its leading dimensions are flattened into rows. */
  readonly rows: number;
  readonly columns: number;
  readonly firstColumn: number;
}

const whole = (size: number): SlicePart => ({ first: 0, count: size, isIndex: false });

/**
 * A slice as NumPy writes it: "0:64, 128:256", "-1", "3, :, ::". Dimensions that are left out are taken whole.
 * @returns why the text is none, as a sentence, otherwise.
 */
export function parseSlice(text: string, shape: readonly number[]): Slice | string {
  const given = text.trim() === '' ? [] : text.replace(/^\s*\[|\]\s*$/g, '').split(',');
  if (given.length > shape.length)
    return l10n.t('The tensor has {0} dimensions; {1} are given.', shape.length, given.length);
  const parts: SlicePart[] = [];
  for (const [dimension, size] of shape.entries()) {
    const part = parsePart(given[dimension]?.trim() ?? ':', size);
    if (typeof part === 'string')
      return shape.length > 1 ? l10n.t('Dimension {0}: {1}', dimension, part) : part;
    parts.push(part);
  }
  const last = parts.at(-1) ?? whole(1);
  const rows = parts.slice(0, -1).reduce((product, { count }) => product * count, 1);
  return { shape, parts, rows, columns: last.count, firstColumn: last.first };
}

function parsePart(text: string, size: number): SlicePart | string {
  const given = text.replace(/[\s_]/g, '');
  const found = /^([+-]?\d+)?(?:(:)([+-]?\d+)?(?:(:)([+-]?\d+)?)?)?$/.exec(given);
  if (!found || given === '') return l10n.t('“{0}” is neither an index nor a range such as 0:64.', text);
  const [, from, colon, to, , step] = found;
  const at = (value: string): number => (Number(value) < 0 ? size + Number(value) : Number(value));
  if (step !== undefined && step !== '1')
    return l10n.t('Steps other than 1 are not shown; “{0}” has one.', text);
  if (colon === undefined) {
    const first = at(from!);
    if (first < 0 || first >= size) return l10n.t('there is no index {0}; there are {1}.', from!, size);
    return { first, count: 1, isIndex: true };
  }
  const clamp = (value: number): number => Math.min(size, Math.max(0, value));
  const first = clamp(from === undefined ? 0 : at(from));
  const end = clamp(to === undefined ? size : at(to));
  return end > first
    ? { first, count: end - first, isIndex: false }
    : l10n.t('“{0}” holds nothing of {1}.', text, size);
}

/** The indices of a row of the slice in the leading dimensions. */
export function leadingOf({ parts }: Slice, row: number): number[] {
  const leading = parts.slice(0, -1);
  const indices: number[] = [];
  let rest = row;
  for (const { first, count } of [...leading].reverse()) {
    indices.unshift(first + (rest % count));
    rest = Math.floor(rest / count);
  }
  return indices;
}

/** A row of the slice as a row of the matrix that the tensor is. */
export function rowOf(slice: Slice, row: number): number {
  const { shape } = slice;
  return leadingOf(slice, row).reduce((flat, index, dimension) => flat * shape[dimension]! + index, 0);
}

/** Rows of a slice that lie next to each other in the tensor, from a row of the slice on. */
export function runsOf(
  slice: Slice,
): { readonly row: number; readonly firstRow: number; readonly rows: number }[] {
  const perRun = slice.parts.at(-2)?.count ?? 1;
  return Array.from({ length: slice.rows / perRun }, (_, run) => ({
    ...{ row: run * perRun, firstRow: rowOf(slice, run * perRun) },
    rows: perRun,
  }));
}
