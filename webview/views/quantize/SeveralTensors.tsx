import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useMemo, useState } from 'preact/hooks';
import type { FormatComparison, TensorComparison } from '../../../src/protocol/analysis';
import type { ComparisonState } from '../../../src/protocol/editorState';
import { plural, size } from '../../../src/protocol/words';
import { HistogramChart } from '../../charts/HistogramChart';
import { useAppState } from '../../context';
import { Spinner } from '../../controls';
import { decibels, figure, nameText, ratio } from '../../format';
import { formatFor, totalsOf, type ChoiceTotals } from '../../quantizeChoices';
import { menuContext } from '../../rowMenu';
import { DataGrid } from '../DataGrid';
import type { GridColumn } from '../grid';
import { Bits } from '../FormatBadge';
import { TensorName } from '../TensorName';
import { Saving } from './Saving';

/** A tensor of the comparison; the rest is present once measured. */
interface Line {
  readonly tensor: string;
  readonly result?: TensorComparison;
  readonly format?: FormatComparison | undefined;
}

/** Several tensors, one per row, each with its own format; saved together. */
export function SeveralTensors({ comparison }: { comparison: ComparisonState }) {
  const { formats, model } = useAppState();
  const [common, setCommon] = useState(comparison.formats[0]);
  const [own, setOwn] = useState<ReadonlyMap<string, string>>(new Map());
  const [shown, setShown] = useState(comparison.tensors[0]);
  const bitsOf = (id: string): number => formats.find((item) => item.id === id)?.nominalBitsPerWeight ?? 0;
  const results = useMemo(
    () => new Map(comparison.results.map((result) => [result.tensor, result])),
    [comparison.results],
  );
  const lines = comparison.tensors.map((tensor): Line => {
    const result = results.get(tensor);
    return { tensor, ...(result && { result, format: formatFor(result, common, own.get(tensor), bitsOf) }) };
  });
  const chosen = lines.filter(isChosen);
  const detail = chosen.find(({ tensor }) => tensor === shown);
  const choose = (tensor: string, format: string): void => setOwn(new Map(own).set(tensor, format));
  return (
    <>
      <div class="measure">
        <label>
          {mixed(
            l10n.t('Format of all {0}'),
            <select
              aria-label={l10n.t('Format of all tensors')}
              value={common}
              onChange={(event) => {
                setCommon(event.currentTarget.value);
                setOwn(new Map());
              }}
            >
              {comparison.formats.map((format) => (
                <option key={format}>{format}</option>
              ))}
            </select>,
          )}
        </label>
        {!comparison.done && (
          <span class="going" role="status">
            {mixed(
              l10n.t('{0} {1} of {2}'),
              <Spinner />,
              comparison.results.length,
              plural(lines.length, 'tensor'),
            )}
          </span>
        )}
      </div>
      <Refusals results={comparison.results} />
      <DataGrid
        id="quantize"
        label={l10n.t('Tensors and their formats')}
        nameLabel={l10n.t('Tensor')}
        lines={lines}
        columns={columnsOf(choose)}
        keyOf={({ tensor }) => tensor}
        name={({ tensor }) => <TensorName name={tensor} />}
        nameTitle={({ tensor }) => tensor}
        choose={({ tensor }) => setShown(tensor)}
        isChosen={({ tensor }) => tensor === shown}
        dataOf={({ tensor }) => ({ 'data-tensor': tensor })}
        contextOf={({ tensor }) => menuContext('tensor', model?.path, [tensor])}
        empty={l10n.t('No tensors.')}
      />
      {chosen.length > 0 && <Totals totals={totalsOf(chosen)} />}
      <Saving
        choices={chosen.map(({ tensor, format }) => ({ tensor, format: format.format }))}
        label={l10n.t('Save {0}…', plural(chosen.length, 'Tensor'))}
        disabled={!comparison.done || chosen.length === 0}
      />
      {detail && (
        <section aria-label={l10n.t('{0} before and after', detail.tensor)}>
          <HistogramChart
            title={l10n.t('Before and after')}
            of={`${detail.tensor}, ${detail.format.format}`}
            description={`${nameText(detail.tensor)}, ${detail.format.format}`}
            before={detail.result.histogram}
            after={detail.format.histogram}
            afterName={detail.format.format}
          />
        </section>
      )}
    </>
  );
}

const isChosen = (line: Line): line is Line & { result: TensorComparison; format: FormatComparison } =>
  line.result !== undefined && line.format !== undefined;

function columnsOf(choose: (tensor: string, format: string) => void): GridColumn<Line>[] {
  const of = (text: (format: FormatComparison) => string) => (line: Line) =>
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

function Choice({ line, choose }: { line: Line; choose: (tensor: string, format: string) => void }) {
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

/** Formats that do not fit some tensors, one sentence each. */
function Refusals({ results }: { results: readonly TensorComparison[] }) {
  const reasons = new Map<string, number>();
  for (const { refused } of results)
    for (const { format, reason } of refused) {
      const text = reason.startsWith(format) ? reason : `${format}: ${reason}`;
      reasons.set(text, (reasons.get(text) ?? 0) + 1);
    }
  return (
    <>
      {[...reasons].map(([text, tensors]) => (
        <p key={text} class="notice warning">
          {plural(tensors, 'tensor')}: {text}
        </p>
      ))}
    </>
  );
}

function Totals({ totals }: { totals: ChoiceTotals }) {
  const { tensors, bytes, sourceBytes, bitsPerWeight, error } = totals;
  return (
    <dl class="totals">
      <div>
        <dt>{l10n.t('tensors')}</dt>
        <dd>{tensors.toLocaleString('en-US')}</dd>
      </div>
      <div>
        <dt>{l10n.t('size')}</dt>
        <dd>
          {size(bytes)} <span class="muted">{l10n.t('of {0}', size(sourceBytes))}</span>
        </dd>
      </div>
      <div>
        <dt>{l10n.t('bits per weight')}</dt>
        <dd>{bitsPerWeight.toFixed(3)}</dd>
      </div>
      <div title={l10n.t('From the mean of the relative squared errors over the weights')}>
        <dt>{l10n.t('SQNR')}</dt>
        <dd>{decibels(error, 2)}</dd>
      </div>
    </dl>
  );
}
