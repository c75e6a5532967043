import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { useAppState } from '../context';
import { filtered, parseFilter } from '../filter';
import { nameText } from '../format';
import { usePersistent } from '../usePersistent';
import { FilterField, FilterStatus } from './FilterField';
import { MetadataValue } from './MetadataValue';

/** Key-values of the file and of config.json, by where they come from. */
export function MetadataView() {
  const { model } = useAppState();
  const [text, setText] = usePersistent('metadata.filter', '');
  const filter = useMemo(() => parseFilter(text), [text]);
  const metadata = model?.metadata ?? [];
  const entries = filtered(metadata, filter, (entry) => ({ name: entry.key, texts: [entry.text] }));
  const sources = [...new Set(entries.map((entry) => entry.source))];
  if (metadata.length === 0)
    return <p class="empty">{l10n.t('The file has no metadata and there is no config.json next to it.')}</p>;
  return (
    <>
      <FilterField
        text={text}
        setText={setText}
        label={l10n.t('Filter metadata')}
        placeholder={l10n.t('Filter by key or value')}
      />
      <FilterStatus filter={filter} matched={entries.length} total={metadata.length} noun="key" />
      {sources.map((source) => (
        <section key={source}>
          <h3>{source}</h3>
          <table class="metadata">
            <tbody>
              {entries
                .filter((entry) => entry.source === source)
                .map((entry) => (
                  <tr key={entry.key}>
                    <td>{nameText(entry.key)}</td>
                    <td class="muted">
                      {entry.type}
                      {entry.length !== undefined && ` (${entry.length.toLocaleString('en-US')})`}
                    </td>
                    <td class="value">
                      <MetadataValue entry={entry} />
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </section>
      ))}
    </>
  );
}
