import { csvText, jsonText, markdownTable, type DataColumn, type DataTable } from '../src/protocol/dataTable';
import type { SeenKind } from '../src/protocol/seen';
import { useApp, useAsk } from './context';
import type { MenuItem } from './views/Menu';

/** What a chart or a table is about, besides the model. */
export interface Subject {
  readonly title: string;
  /** A tensor or a text. */
  readonly of?: string | undefined;
}

/** How what is seen leaves the page. */
export interface Saving {
  /** The model's name, and what it is about. */
  readonly about: () => string[];
  readonly save: (kind: SeenKind, content: string) => Promise<void>;
  readonly copy: (text: string) => Promise<void>;
}

export function useSaving({ title, of }: Subject): Saving {
  const { store } = useApp();
  const ask = useAsk();
  const about = (): string[] => [store.state.model?.name ?? '', of ?? ''].filter(Boolean);
  return {
    about,
    save: async (kind, content) =>
      void (await ask('saveSeen', { name: [...about(), title].join(' '), kind, content })),
    copy: async (text) => void (await ask('copyText', { text })),
  };
}

/** What can be done with the data of a chart ("Data") or of a table. */
export function dataItems(
  { about, save, copy }: Saving,
  noun: 'Data' | 'Table',
  title: string,
  columns: () => readonly DataColumn[],
): MenuItem[] {
  const table = (): DataTable => ({ title, about: about(), columns: columns() });
  // The data of charts are long and narrow, which Markdown is not for.
  const markdown: MenuItem = {
    label: `Copy ${noun} as Markdown`,
    run: () => void copy(markdownTable(table())),
  };
  return [
    { label: `Copy ${noun} as CSV`, run: () => void copy(csvText(table())) },
    ...(noun === 'Table' ? [markdown] : []),
    { label: `Save ${noun} as CSV…`, run: () => void save('csv', csvText(table())) },
    { label: `Save ${noun} as JSON…`, run: () => void save('json', jsonText(table())) },
  ];
}
