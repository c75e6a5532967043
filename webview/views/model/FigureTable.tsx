import * as l10n from '@vscode/l10n';
import { useMemo, useState } from 'preact/hooks';
import type { PlacedTensor } from '../../../src/protocol/parts';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { useApp, useAppState } from '../../context';
import { number, shapeText } from '../../format';
import { inExecutionOrder, type LayerFigure } from '../../model/layerFigures';
import { DataGrid } from '../DataGrid';
import type { GridColumn, GridOrder } from '../grid';
import { TensorName } from '../TensorName';

interface FigureTableProps {
  readonly table: TensorTable;
  readonly placed: readonly PlacedTensor[];
  readonly figures: readonly LayerFigure[];
}

/** The figures of all tensors, each as a column. */
export function FigureTable({ table, placed, figures }: FigureTableProps) {
  const { store } = useApp();
  const selected = useAppState().selected.at(-1);
  const [order, setOrder] = useState<GridOrder>();
  const usual = useMemo(() => inExecutionOrder(placed), [placed]);
  const lines = useMemo(() => ordered(usual, figures, order), [usual, figures, order]);
  const columns = useMemo(() => columnsOf(figures), [figures]);
  return (
    <div class="figure-table">
      <DataGrid<PlacedTensor>
        id="layer-figures"
        label={l10n.t('Figures of tensors')}
        nameLabel={l10n.t('Tensor')}
        {...{ lines, columns }}
        keyOf={({ index }) => String(index)}
        name={({ index }) => <TensorName name={table.name(index)} />}
        nameTitle={({ index }) => table.name(index)}
        choose={({ index }) => {
          store.select([table.name(index)]);
          store.update({ tab: 'tensor' });
        }}
        isChosen={({ index }) => selected === table.name(index)}
        {...(order ? { order } : {})}
        reorder={(column) =>
          setOrder((now) => ({ column, descending: now?.column === column ? !now.descending : true }))
        }
        empty={l10n.t('There are no tensors.')}
      />
    </div>
  );
}

function columnsOf(figures: readonly LayerFigure[]): GridColumn<PlacedTensor>[] {
  return [
    ...figures.map(({ id, label, hint, values }): GridColumn<PlacedTensor> => ({
      ...{ id, label, title: hint, width: 86 },
      cell: ({ index }) => (Number.isNaN(values[index]!) ? '' : number(values[index]!)),
      saved: { value: ({ index }) => values[index] },
    })),
    {
      ...{ id: 'shape', label: l10n.t('Shape'), width: 120, grows: true, align: 'left' },
      cell: ({ kind }) => shapeText(kind.shape),
    },
  ];
}

/** In their usual order, or by a figure; what is not known comes last. */
function ordered(
  usual: readonly PlacedTensor[],
  figures: readonly LayerFigure[],
  order: GridOrder | undefined,
): readonly PlacedTensor[] {
  const values = figures.find(({ id }) => id === order?.column)?.values;
  if (!order || !values) return usual;
  const sign = order.descending ? -1 : 1;
  const rank = ({ index }: PlacedTensor): number =>
    Number.isNaN(values[index]!) ? Infinity : sign * values[index]!;
  // The difference of two infinities is not a number.
  return [...usual].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}
