import type { ExportedTensor } from '../../../src/protocol/export';
import { filtered, parseFilter } from '../../filter';
import { causes } from './causes';

/** Which tensors of the file the table shows. */
export interface TableFilter {
  /** In the language of filter.ts, over names, types and reasons. */
  readonly text: string;
  /** Only those whose type differs from the preset's. */
  readonly onlyDifferent: boolean;
}

export const noFilter: TableFilter = { text: '', onlyDifferent: false };

/** The tensors to show, and what the text was understood as. */
export function matching(tensors: readonly ExportedTensor[], { text, onlyDifferent }: TableFilter) {
  const filter = parseFilter(text);
  const chosen = onlyDifferent ? tensors.filter(({ presetType }) => presetType !== undefined) : tensors;
  const rows = filtered(chosen, filter, ({ name, from, to, cause, reason }) => ({
    name,
    texts: [from, to, causes[cause].badge, reason],
  }));
  return { filter, rows };
}
