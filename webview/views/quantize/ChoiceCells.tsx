import * as l10n from '@vscode/l10n';
import type { FormatComparison, TensorComparison } from '../../../src/protocol/analysis';
import { size } from '../../../src/protocol/words';
import { figure, ratio } from '../../format';
import { Bits } from '../FormatBadge';
import type { GridColumn } from '../grid';

/** A tensor of the comparison; the rest is present once measured. */
export interface ChoiceLine {
  readonly tensor: string;
  readonly result?: TensorComparison;
  readonly format?: FormatComparison | undefined;
}

/** The format of each tensor, to be chosen, and what it costs. */
export function columnsOf(choose: (tensor: string, format: string) => void): GridColumn<ChoiceLine>[] {
  const of = (text: (format: FormatComparison) => string) => (line: ChoiceLine) =>
    line.format ? text(line.format) : line.result ? '–' : '…';
  return [
    {
      ...{ id: 'format', label: l10n.t('Format'), width: 96, align: 'left' },
      cell: (line) => line.result && <Choice line={line} choose={choose} />,
      saved: { value: ({ format }) => format?.format },
    },
    {
      ...{ id: 'bits', label: l10n.t('Bits'), width: 80, align: 'left' },
      cell: ({ format }) => format && <Bits bits={format.bitsPerWeight} />,
      saved: { name: 'Bits per weight', value: ({ format }) => format?.bitsPerWeight },
    },
    {
      ...{ id: 'size', label: l10n.t('Size'), width: 78 },
      cell: of(({ bytes }) => size(bytes)),
      saved: { unit: 'bytes', value: ({ format }) => format?.bytes },
    },
    {
      ...{ id: 'error', label: l10n.t('Rel. error'), width: 72 },
      cell: of(({ error }) => figure(error.relativeError, 3)),
      saved: { name: 'Relative error', value: ({ format }) => format?.error.relativeError },
    },
    {
      ...{ id: 'sqnr', label: l10n.t('SQNR dB'), width: 68 },
      cell: of(({ error }) => ratio(error.sqnr)),
      saved: { name: 'SQNR', unit: 'dB', value: ({ format }) => format?.error.sqnr },
    },
  ];
}

function Choice({ line, choose }: { line: ChoiceLine; choose: (tensor: string, format: string) => void }) {
  const { tensor, result, format } = line;
  const refused = result?.refused ?? [];
  return (
    <select
      class="grid-select"
      aria-label={l10n.t('Format of {0}', tensor)}
      tabIndex={-1}
      value={format?.format ?? ''}
      onChange={(event) => choose(tensor, event.currentTarget.value)}
    >
      {!format && <option value="">{l10n.t('none fits')}</option>}
      {result?.formats.map((item) => (
        <option key={item.format}>{item.format}</option>
      ))}
      {refused.map((item) => (
        <option key={item.format} disabled title={item.reason}>
          {item.format}
        </option>
      ))}
    </select>
  );
}
