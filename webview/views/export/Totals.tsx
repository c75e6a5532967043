import * as l10n from '@vscode/l10n';
import type { ExportPreview, OptimisedPart } from '../../../src/protocol/export';
import { duration, plural, size } from '../../../src/protocol/words';
import { FormatBadge } from '../FormatBadge';

/** Sizes of the planned files, and how many tensors get each type. */
export function Totals({ preview, isStale }: { preview: ExportPreview; isStale: boolean }) {
  const { tensors, files, fileBytes, bitsPerWeight, preset } = preview;
  return (
    <dl class={`totals${isStale ? ' stale' : ''}`} data-bytes={fileBytes} aria-live="polite">
      <div>
        <dt>{files.length > 1 ? l10n.t('{0} files', files.length) : l10n.t('file')}</dt>
        <dd title={exact(fileBytes)}>{size(fileBytes)}</dd>
      </div>
      {bitsPerWeight !== undefined && (
        <div>
          <dt>{l10n.t('bits per weight')}</dt>
          <dd>{bitsPerWeight.toFixed(3)}</dd>
        </div>
      )}
      <div>
        <dt>{l10n.t('against {0}', preset)}</dt>
        <dd>{difference(preview)}</dd>
      </div>
      {preview.optimised && <Optimised {...preview.optimised} />}
      <div class="wide">
        <dt>{l10n.t('tensors')}</dt>
        <dd>
          {tally(tensors.map(({ to }) => to)).map(([type, count]) => (
            <span key={type} class="tally">
              {count} × <FormatBadge format={type} />
            </span>
          ))}
        </dd>
      </div>
      {files.length > 1 && <Parts files={files} />}
    </dl>
  );
}

/** What is optimised, and how long that takes after the pass over the text. */
function Optimised({ objective, tensors, seconds }: OptimisedPart) {
  return (
    <div>
      <dt>{l10n.t('optimised codes')}</dt>
      <dd title={l10n.t('{0} objective; a pass over the text comes before, where none is kept', objective)}>
        {plural(tensors, 'tensor')}, ≈ {duration(seconds)}
      </dd>
    </div>
  );
}

/** The parts of a split model, folded away: there can be hundreds. */
function Parts({ files }: Pick<ExportPreview, 'files'>) {
  return (
    <details class="wide parts">
      <summary>{l10n.t('Names and sizes of the files')}</summary>
      <table>
        <tbody>
          {files.map(({ name, bytes, tensors }) => (
            <tr key={name}>
              <td>{name}</td>
              <td title={exact(bytes)}>{size(bytes)}</td>
              <td>{plural(tensors, 'tensor')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function difference({ dataBytes, presetBytes }: ExportPreview): string {
  const more = dataBytes - presetBytes;
  if (more === 0) return l10n.t('the same size');
  const sign = more > 0 ? '+' : '−';
  const percent = (100 * Math.abs(more)) / presetBytes;
  return `${sign}${size(Math.abs(more))} (${sign}${percent < 10 ? percent.toPrecision(2) : percent.toFixed(0)} %)`;
}

const exact = (bytes: number): string => l10n.t('{0} bytes', bytes.toLocaleString('en-US'));

/** How often each value occurs, the most frequent first. */
export function tally<T>(values: readonly T[]): [T, number][] {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
