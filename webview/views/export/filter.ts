import type { ExportedTensor } from '../../../src/protocol/export';

/** Which tensors of the file the table shows. */
export interface TableFilter {
  /** Words, all of which are in a row's name, types or reason. */
  readonly text: string;
  /** Only those whose type differs from the preset's. */
  readonly onlyDifferent: boolean;
}

export const noFilter: TableFilter = { text: '', onlyDifferent: false };

/** The saved filter; invalid entries are dropped. */
export function filterOf(saved: unknown): TableFilter {
  const { text, onlyDifferent } = Object(saved) as Record<string, unknown>;
  return {
    text: typeof text === 'string' ? text : noFilter.text,
    onlyDifferent: onlyDifferent === true,
  };
}

export function matching(
  tensors: readonly ExportedTensor[],
  { text, onlyDifferent }: TableFilter,
): readonly ExportedTensor[] {
  const words = text.toLowerCase().split(/\s+/);
  return tensors.filter(({ name, from, to, cause, reason, presetType }) => {
    const row = `${name} ${from} ${to} ${cause} ${reason}`.toLowerCase();
    return (!onlyDifferent || presetType !== undefined) && words.every((word) => row.includes(word));
  });
}
