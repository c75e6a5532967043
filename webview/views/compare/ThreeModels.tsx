import * as l10n from '@vscode/l10n';
import { useMemo, useState } from 'preact/hooks';
import type { ThreeWayComparison, ThreeWayTensor } from '../../../src/protocol/compare';
import { statusWords } from '../../comparedTensors';
import { useApp, useAppState } from '../../context';
import { filtered, parseFilter } from '../../filter';
import { figure, shapeText } from '../../format';
import { menuContext } from '../../rowMenu';
import { usePersistent } from '../../usePersistent';
import { DataGrid } from '../DataGrid';
import { Figure } from '../Figure';
import { FilterField, FilterStatus } from '../FilterField';
import { nextOrder, orderFrom, type GridColumn, type GridOrder } from '../grid';
import { TensorName } from '../TensorName';

/** Two models against this one: the errors of both in each tensor, and which is closer. */
export function ThreeModels({ result }: { result: ThreeWayComparison }) {
  const { store } = useApp();
  const { model } = useAppState();
  const [text, setText] = usePersistent('compare.filter', '');
  const filter = useMemo(() => parseFilter(text), [text]);
  const [order, setOrder] = usePersistent<GridOrder | undefined>('threeModels.order', undefined, orderFrom);
  const [chosen, setChosen] = useState<string>();
  const rows = useMemo(
    () => ordered(filtered(result.tensors, filter, filteredBy), order),
    [result, filter, order],
  );
  return (
    <>
      <Totals result={result} />
      <div class="filter">
        <FilterField
          text={text}
          setText={setText}
          label={l10n.t('Filter the compared tensors')}
          placeholder={l10n.t('Filter by name, dtype or which is closer')}
        />
        <FilterStatus filter={filter} matched={rows.length} total={result.tensors.length} noun="tensor" />
      </div>
      <DataGrid
        id="compare-three"
        label={l10n.t('Tensors of three models')}
        nameLabel={l10n.t('Tensor')}
        lines={rows}
        columns={columns}
        keyOf={({ name }) => name}
        name={({ name }) => <TensorName name={name} />}
        nameTitle={({ name, shape }) => `${name} [${shapeText(shape)}]`}
        choose={({ name }) => {
          setChosen(name);
          store.select([name]);
        }}
        isChosen={({ name }) => name === chosen}
        dataOf={({ name }) => ({ 'data-tensor': name })}
        contextOf={({ name }) => menuContext('tensor', model?.path, [name])}
        {...(order ? { order } : {})}
        reorder={(column) => setOrder(nextOrder(order, column))}
        empty={l10n.t('No tensor matches.')}
      />
    </>
  );
}

function Totals({ result }: { result: ThreeWayComparison }) {
  const { relativeErrors, counts, notes } = result;
  return (
    <>
      <dl class="totals">
        <Figure name={l10n.t('relative error of A')} value={figure(relativeErrors.a)} />
        <Figure name={l10n.t('relative error of B')} value={figure(relativeErrors.b)} />
        <Figure name={l10n.t('A is closer in')} value={counts.A.toLocaleString('en-US')} />
        <Figure name={l10n.t('B is closer in')} value={counts.B.toLocaleString('en-US')} />
        <Figure name={l10n.t('the same in')} value={counts.same.toLocaleString('en-US')} />
      </dl>
      {notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </>
  );
}

const filteredBy = ({ name, dtypes, closer }: ThreeWayTensor) => ({
  name,
  texts: [dtypes.original, dtypes.a ?? '', dtypes.b ?? '', closer ?? ''],
});

const errorText = ({ a, b, statuses }: ThreeWayTensor, side: 'a' | 'b') => {
  const error = { a, b }[side];
  return error ? figure(error.relativeError, 3) : <span class="state">{statusWords[statuses[side]]}</span>;
};

const errorColumn = (side: 'a' | 'b', of: string): GridColumn<ThreeWayTensor> => ({
  ...{ id: `error-${side}`, label: l10n.t('Error of {0}', of), width: 90 },
  title: l10n.t('Relative error of {0} against this model', of),
  cell: (tensor) => errorText(tensor, side),
  saved: {
    name: `relative error of ${of}`,
    value: ({ a, b, statuses }) => ({ a, b })[side]?.relativeError ?? statuses[side],
  },
});

const columns: readonly GridColumn<ThreeWayTensor>[] = [
  {
    ...{ id: 'closer', label: l10n.t('Closer'), width: 62, align: 'left' },
    cell: ({ closer }) => closer ?? '–',
  },
  errorColumn('a', 'A'),
  errorColumn('b', 'B'),
  { ...{ id: 'a', label: 'A', width: 58, align: 'left' }, cell: ({ dtypes }) => dtypes.a ?? '–' },
  { ...{ id: 'b', label: 'B', width: 58, align: 'left' }, cell: ({ dtypes }) => dtypes.b ?? '–' },
  {
    ...{ id: 'original', label: l10n.t('Original'), width: 66, align: 'left' },
    cell: ({ dtypes }) => dtypes.original,
  },
];

const keys: Readonly<Record<string, (tensor: ThreeWayTensor) => number | string>> = {
  original: ({ dtypes }) => dtypes.original,
  a: ({ dtypes }) => dtypes.a ?? '',
  b: ({ dtypes }) => dtypes.b ?? '',
  'error-a': ({ a }) => a?.relativeError ?? Infinity,
  'error-b': ({ b }) => b?.relativeError ?? Infinity,
  closer: ({ closer }) => closer ?? '',
};

/** By a column; those whose errors are farthest apart come first where none is chosen. */
function ordered(tensors: readonly ThreeWayTensor[], order: GridOrder | undefined): ThreeWayTensor[] {
  const key = order && keys[order.column];
  if (!key) return [...tensors];
  const sign = order.descending ? -1 : 1;
  return [...tensors].sort((x, y) => {
    const [left, right] = [key(x), key(y)];
    return left === right ? 0 : sign * (left < right ? -1 : 1);
  });
}
