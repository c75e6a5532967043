import { useState } from 'preact/hooks';
import { useAppState } from '../context';
import { TextField } from '../controls';
import { MetadataValue } from './MetadataValue';

/** Key-values of the file and of config.json, by where they come from. */
export function MetadataView() {
  const { model } = useAppState();
  const [filter, setFilter] = useState('');
  const entries = (model?.metadata ?? []).filter((entry) =>
    `${entry.key} ${entry.text}`.toLowerCase().includes(filter.toLowerCase()),
  );
  const sources = [...new Set(entries.map((entry) => entry.source))];
  if (model?.metadata.length === 0)
    return <p class="empty">The file has no metadata and there is no config.json next to it.</p>;
  return (
    <>
      <TextField
        value={filter}
        label="Filter metadata"
        placeholder="Filter metadata"
        onInput={setFilter}
        width="100%"
      />
      {sources.map((source) => (
        <section key={source}>
          <h3>{source}</h3>
          <table class="metadata">
            <tbody>
              {entries
                .filter((entry) => entry.source === source)
                .map((entry) => (
                  <tr key={entry.key}>
                    <td>{entry.key}</td>
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
