import { useMemo } from 'preact/hooks';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { useApp, useAppState } from '../../context';
import { nameText, number, shapeText } from '../../format';
import type { LayerFigure } from '../../model/layerFigures';
import { DataGrid } from '../DataGrid';
import { orderFrom, type GridColumn, type GridOrder } from '../grid';
import { Middle } from '../Middle';
import { usePersistent } from '../../usePersistent';

/** The figures of all tensors, each as a column. */
export function FigureTable({ table, figures }: { table: TensorTable; figures: readonly LayerFigure[] }) {
  const { store } = useApp();
  const selected = useAppState().selected.at(-1);
  const [order, setOrder] = usePersistent<GridOrder | undefined>('figures.order', undefined, orderFrom);
  const lines = useMemo(() => ordered(table.count, figures, order), [table, figures, order]);
  const columns = useMemo(() => columnsOf(table, figures), [table, figures]);
  return (
    <div class="figure-table">
      <DataGrid<number>
        id="layer-figures"
        label="Figures of tensors"
        nameLabel="Tensor"
        {...{ lines, columns }}
        keyOf={String}
        name={(index) => <Middle text={nameText(table.name(index))} />}
        nameTitle={(index) => table.name(index)}
        choose={(index) => {
          store.select([table.name(index)]);
          store.update({ tab: 'tensor' });
        }}
        isChosen={(index) => selected === table.name(index)}
        {...(order ? { order } : {})}
        reorder={(column) =>
          setOrder((now) => ({ column, descending: now?.column === column ? !now.descending : true }))
        }
        empty="There are no tensors."
      />
    </div>
  );
}

function columnsOf(table: TensorTable, figures: readonly LayerFigure[]): GridColumn<number>[] {
  return [
    ...figures.map(({ id, label, hint, values }): GridColumn<number> => ({
      ...{ id, label, title: hint, width: 86 },
      cell: (index) => (Number.isNaN(values[index]!) ? '' : number(values[index]!)),
      saved: { value: (index) => values[index] },
    })),
    {
      ...{ id: 'shape', label: 'Shape', width: 120, grows: true, align: 'left' },
      cell: (index) => shapeText(table.kinds[table.kindOf(index)]!.shape),
    },
  ];
}

/** In the order of the model, or by a figure; what is not known comes last. */
function ordered(count: number, figures: readonly LayerFigure[], order: GridOrder | undefined): number[] {
  const indices = Array.from({ length: count }, (_, index) => index);
  const values = figures.find(({ id }) => id === order?.column)?.values;
  if (!order || !values) return indices;
  const sign = order.descending ? -1 : 1;
  const rank = (index: number): number => (Number.isNaN(values[index]!) ? Infinity : sign * values[index]!);
  return indices.sort((a, b) => rank(a) - rank(b) || a - b);
}
