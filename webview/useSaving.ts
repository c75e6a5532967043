import * as l10n from '@vscode/l10n';
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

const labels = {
  Data: {
    markdown: l10n.t('Copy Data as Markdown'),
    csv: l10n.t('Copy Data as CSV'),
    saveCsv: l10n.t('Save Data as CSV…'),
    saveJson: l10n.t('Save Data as JSON…'),
  },
  Table: {
    markdown: l10n.t('Copy Table as Markdown'),
    csv: l10n.t('Copy Table as CSV'),
    saveCsv: l10n.t('Save Table as CSV…'),
    saveJson: l10n.t('Save Table as JSON…'),
  },
} as const;

/** What can be done with the data of a chart ("Data") or of a table. */
export function dataItems(
  { about, save, copy }: Saving,
  noun: keyof typeof labels,
  title: string,
  columns: () => readonly DataColumn[],
): MenuItem[] {
  const table = (): DataTable => ({ title, about: about(), columns: columns() });
  // The data of charts are long and narrow, which Markdown is not for.
  const markdown: MenuItem = {
    label: labels[noun].markdown,
    run: () => void copy(markdownTable(table())),
  };
  return [
    { label: labels[noun].csv, run: () => void copy(csvText(table())) },
    ...(noun === 'Table' ? [markdown] : []),
    { label: labels[noun].saveCsv, run: () => void save('csv', csvText(table())) },
    { label: labels[noun].saveJson, run: () => void save('json', jsonText(table())) },
  ];
}
