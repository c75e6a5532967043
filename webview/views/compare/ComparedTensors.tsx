import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { ComparedTensor, CompareStatus, ModelComparison } from '../../../src/protocol/compare';
import { lineOf, orderCompared, statusWords } from '../../comparedTensors';
import { useAppState } from '../../context';
import { filtered, parseFilter } from '../../filter';
import { figure, fixed, ratio, shapeText } from '../../format';
import { menuContext } from '../../rowMenu';
import { usePersistent } from '../../usePersistent';
import { DataGrid } from '../DataGrid';
import { FilterField, FilterStatus } from '../FilterField';
import { nextOrder, type GridColumn, type GridOrder } from '../grid';
import { TensorName } from '../TensorName';

/** The worst come first until a column is chosen. */
const asCompared: GridOrder = { column: 'error', descending: true };

/** How each tensor differs, worst first. */
export function ComparedTensors(props: {
  result: ModelComparison;
  chosen: string;
  choose: (tensor: string) => void;
}) {
  const { result, chosen, choose } = props;
  const { model } = useAppState();
  const [text, setText] = usePersistent('compare.filter', '');
  const filter = useMemo(() => parseFilter(text), [text]);
  const [order, setOrder] = usePersistent<GridOrder>('compare.order', asCompared);
  const rows = useMemo(
    () => orderCompared(filtered(result.tensors, filter, lineOf), order),
    [result, filter, order],
  );
  return (
    <>
      <div class="filter">
        <FilterField
          text={text}
          setText={setText}
          label={l10n.t('Filter the compared tensors')}
          placeholder={l10n.t('Filter by name, dtype or state')}
        />
        <FilterStatus filter={filter} matched={rows.length} total={result.tensors.length} noun="tensor" />
      </div>
      <DataGrid
        id="compare"
        label={l10n.t('Compared tensors')}
        nameLabel={l10n.t('Tensor')}
        lines={rows}
        columns={comparedColumns}
        keyOf={({ name }) => name}
        name={({ name }) => <TensorName name={name} />}
        nameTitle={({ name, a, b }) => `${name} [${shapeText((a ?? b)?.shape ?? [])}]`}
        choose={({ name }) => choose(name)}
        isChosen={({ name }) => name === chosen}
        dataOf={({ name }) => ({ 'data-tensor': name })}
        contextOf={({ name, a }) =>
          a && !result.translated
            ? menuContext('tensor', model?.path, [a.name], [name])
            : menuContext('name', model?.path, [], [name])
        }
        order={order}
        reorder={(column) => setOrder(nextOrder(order, column))}
        empty={l10n.t('No tensor matches.')}
      />
    </>
  );
}

/** Of all tensors together, and how they were matched. */
export function Totals({ result }: { result: ModelComparison }) {
  const parts = Object.entries(result.counts).filter(([, count]) => count > 0) as [CompareStatus, number][];
  return (
    <>
      <dl class="totals">
        <div>
          <dt>{l10n.t('relative error')}</dt>
          <dd>{figure(result.relativeError)}</dd>
        </div>
        <div>
          <dt>{l10n.t('tensors')}</dt>
          <dd>
            {parts
              .map(([status, count]) => `${count.toLocaleString('en-US')} ${statusWords[status]}`)
              .join(', ')}
          </dd>
        </div>
      </dl>
      {result.translated && (
        <p class="muted">{l10n.t('One of the models is GGUF: names and order of rows are those of GGUF.')}</p>
      )}
      {result.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </>
  );
}

const comparedColumns: readonly GridColumn<ComparedTensor>[] = [
  { ...{ id: 'a', label: 'A', width: 62, align: 'left' }, cell: ({ a }) => a?.dtype ?? '–' },
  { ...{ id: 'b', label: 'B', width: 62, align: 'left' }, cell: ({ b }) => b?.dtype ?? '–' },
  {
    ...{ id: 'error', label: l10n.t('Rel. error'), width: 92 },
    cell: (tensor) => errorText(tensor),
    cellTitle: ({ reason }) => reason,
    saved: { name: 'relative error', value: ({ error, status }) => error?.relativeError ?? status },
  },
  {
    ...{ id: 'sqnr', label: l10n.t('SQNR dB'), width: 80 },
    cell: ({ error }) => error && ratio(error.sqnr),
    saved: { name: 'SQNR', unit: 'dB', value: ({ error }) => error?.sqnr },
  },
  {
    ...{ id: 'cosine', label: l10n.t('Cosine'), width: 84 },
    cell: ({ error }) => error && fixed(error.cosine, 6),
    saved: { value: ({ error }) => error?.cosine },
  },
  {
    ...{ id: 'max', label: l10n.t('Max error'), width: 86 },
    cell: ({ error }) => error && figure(error.maxError, 3),
    saved: { value: ({ error }) => error?.maxError },
  },
];

function errorText({ status, error, a, b }: ComparedTensor) {
  if (error) return status === 'equal' ? statusWords.equal : figure(error.relativeError, 3);
  const shapes = l10n.t('[{0}] and [{1}]', shapeText(a?.shape ?? []), shapeText(b?.shape ?? []));
  return <span class="state">{status === 'shape' ? shapes : statusWords[status]}</span>;
}
