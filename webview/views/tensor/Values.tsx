import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TensorStatistics } from '../../../src/protocol/analysis';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { greatestOf } from '../../../src/protocol/extremes';
import { useApp } from '../../context';
import { Button, TextField } from '../../controls';
import type { Extent } from '../../map/view';
import { shapeText } from '../../format';
import { useSaving } from '../../useSaving';
import { valueFormat } from '../../values/format';
import { parseSlice, runsOf, type Slice } from '../../values/slice';
import { csvOf, numpyOf, type SliceValues } from '../../values/text';
import { ValuesGrid } from './ValuesGrid';
import { usePersistent } from '../../usePersistent';

/** Values that are copied at most, and requests for them: one for each run of rows that lie next to each other. */
const mostCopied = 1 << 18;
const mostRuns = 4096;
const single = { rows: 1, columns: 1 };

interface Props {
  readonly tensor: TensorDescriptor;
  readonly extent: Extent;
  readonly statistics: TensorStatistics;
}

/** Any slice of the weights as a table, as NumPy writes slices, and as text for other programs. */
export function Values({ tensor, extent, statistics }: Props) {
  const { name, shape, dtype } = tensor;
  const [text, setText] = usePersistent(`values ${name}`, '');
  const parsed = useMemo(() => parseSlice(text, shape), [text, name, shape]);
  const [shown, setShown] = useState<Slice>();
  const slice =
    typeof parsed === 'string' ? (shown?.shape === shape ? shown : parseSlice('', shape)) : parsed;
  useEffect(() => {
    if (typeof parsed !== 'string') setShown(parsed);
  }, [parsed]);
  const format = useMemo(() => valueFormat(dtype, statistics.absMax), [dtype, statistics]);
  const letters = greatestOf([statistics.min, statistics.max].map((value) => format(value).length));
  if (typeof slice === 'string') return <p class="muted">{l10n.t('The tensor is empty.')}</p>;
  return (
    <section class="values" aria-label={l10n.t('Values')}>
      <h3>{l10n.t('Values')}</h3>
      <div class="values-head">
        {shape.length > 0 && (
          <label>
            {mixed(
              l10n.t('Slice {0}'),
              <TextField
                label={l10n.t('Slice')}
                value={text}
                placeholder={placeholderOf(shape)}
                title={l10n.t(
                  'As NumPy writes it: 0:64, 128:256. Dimensions that are left out are shown whole.',
                )}
                width="210px"
                onInput={setText}
              />,
            )}
          </label>
        )}
        <CopyButtons {...{ tensor, slice }} />
        <span class={typeof parsed === 'string' ? 'filter-status failed' : 'muted'} role="status">
          {typeof parsed === 'string' ? parsed : sizeText(slice)}
        </span>
      </div>
      <ValuesGrid {...{ tensor: name, extent, slice, format, letters }} />
    </section>
  );
}

const placeholderOf = (shape: readonly number[]): string =>
  shape.map((size, i) => (i < shape.length - 2 ? '0' : `0:${Math.min(64, size)}`)).join(', ');

function sizeText(slice: Slice): string {
  const { shape, rows, columns } = slice;
  return [
    l10n.t(
      '{0} × {1} of {2}',
      rows.toLocaleString('en-US'),
      columns.toLocaleString('en-US'),
      shapeText(shape) || l10n.t('a single number'),
    ),
    ...(shape.length > 2 ? [l10n.t('rows are named by the first {0} dimensions', shape.length - 1)] : []),
    ...(isTooLarge(slice)
      ? [l10n.t('slices of up to {0} values can be copied', mostCopied.toLocaleString('en-US'))]
      : []),
  ].join('; ');
}

const isTooLarge = ({ rows, columns, parts }: Slice): boolean =>
  rows * columns > mostCopied || rows / (parts.at(-2)?.count ?? 1) > mostRuns;

function CopyButtons({ tensor, slice }: { tensor: TensorDescriptor; slice: Slice }) {
  const { host, store } = useApp();
  const { copy } = useSaving({ title: l10n.t('Values'), of: tensor.name });
  const [reading, setReading] = useState<AbortController>();
  const last = useRef<AbortController>();
  useEffect(() => () => last.current?.abort(), [tensor.name]);
  const read = async (signal: AbortSignal): Promise<SliceValues> => {
    const values = new Float64Array(slice.rows * slice.columns);
    for (const { row, firstRow, rows } of runsOf(slice)) {
      const region = { firstRow, rows, firstColumn: slice.firstColumn, columns: slice.columns };
      const part = await host.call('region', { tensor: tensor.name, region, cell: single }, { signal });
      values.set(part.values, row * slice.columns);
    }
    return { slice, values, dtype: tensor.dtype };
  };
  const copyAs = async (write: (values: SliceValues) => string): Promise<void> => {
    const controller = (last.current = new AbortController());
    const { signal } = controller;
    setReading(controller);
    try {
      const values = await read(signal).finally(() => setReading(undefined));
      if (!signal.aborted) await copy(write(values));
    } catch (error) {
      if (!signal.aborted) store.update({ problem: error instanceof Error ? error.message : String(error) });
    }
  };
  const disabled = isTooLarge(slice) || reading !== undefined;
  return (
    <>
      <Button disabled={disabled} onClick={() => void copyAs(csvOf)}>
        {l10n.t('Copy as CSV')}
      </Button>
      <Button disabled={disabled} onClick={() => void copyAs(numpyOf)}>
        {l10n.t('Copy as NumPy')}
      </Button>
      {reading && <Button onClick={() => reading.abort()}>{l10n.t('Cancel')}</Button>}
    </>
  );
}
