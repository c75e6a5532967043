import * as l10n from '@vscode/l10n';
import { evidenceWords } from '../../../src/protocol/evidence';
import { size, timeTaken } from '../../../src/protocol/words';
import { figure, fixed, percent, ratio } from '../../format';
import { figuresOf, type LensLine } from '../../lensRecipes';
import { DataGrid } from '../DataGrid';
import { Bits } from '../FormatBadge';
import { nextOrder, type GridColumn, type GridOrder } from '../grid';

/** Recipes with their figures; a click on a header orders them. */
export function LensTable(props: {
  lines: readonly LensLine[];
  hasOutputs: boolean;
  order: GridOrder;
  setOrder: (order: GridOrder) => void;
  chosen: string | undefined;
  choose: (id: string) => void;
  /** The type that the plan gives the tensor. */
  planned: string | undefined;
}) {
  const { lines, hasOutputs, order, setOrder, chosen, choose, planned } = props;
  return (
    <div class="lens-table">
      <DataGrid
        id="lens"
        label={l10n.t('Recipes, with their sizes and errors')}
        nameLabel={l10n.t('Recipe')}
        lines={lines}
        columns={columns.filter(({ id }) => hasOutputs || id !== 'outputs')}
        keyOf={({ id }) => id}
        name={(line) => <Name line={line} isPlanned={line.grid === planned} />}
        nameTitle={({ label, isOnFront }) =>
          isOnFront ? l10n.t('{0}: no other recipe has as few bits and a smaller error', label) : label
        }
        choose={({ id, result }) => result && choose(id)}
        isChosen={({ id }) => id === chosen}
        rowClass={({ result, row }) => (result && row?.share === undefined ? '' : 'pending')}
        dataOf={({ grid, method, isOnFront }) => ({
          ...{ 'data-grid': grid, 'data-method': method },
          'data-front': isOnFront ? 'true' : undefined,
        })}
        order={order}
        reorder={(column) => setOrder(nextLensOrder(order, column))}
        empty={l10n.t('No recipe matches.')}
      />
    </div>
  );
}

/** Few bits, small errors and short times first; large ratios first. */
function nextLensOrder(order: GridOrder, column: string): GridOrder {
  if (order.column === column) return nextOrder(order, column);
  return { column, descending: largerIsBetter.has(column) };
}

const largerIsBetter: ReadonlySet<string> = new Set(['sqnr', 'outputs', 'cosine']);

function Name({ line, isPlanned }: { line: LensLine; isPlanned: boolean }) {
  return (
    <>
      <span class="front-mark">
        {line.isOnFront && (
          <span role="img" aria-label={l10n.t('on the front')} title={l10n.t('No other recipe beats it')} />
        )}
      </span>
      <span class="ellipsis">{line.grid}</span>
      {isPlanned && (
        <span class="muted planned" title={l10n.t('The plan gives the tensor this type')}>
          {l10n.t('plan')}
        </span>
      )}
    </>
  );
}

interface FigureColumn {
  /** Of `figuresOf`. */
  readonly id: string;
  readonly label: string;
  /** In tables that are saved, where there is room for it. */
  readonly name: string;
  readonly unit?: string;
  readonly width: number;
  readonly title: string;
  readonly text: (value: number) => string;
}

const brief = (value: number): string => figure(value, 3);

/** What is measured of a recipe, the figures that decide first. */
const figures: readonly FigureColumn[] = [
  {
    ...{ id: 'error', label: l10n.t('Error'), name: 'Relative error', width: 70, text: brief },
    title: l10n.t('Relative error of the weights: ‖ŵ − w‖ / ‖w‖'),
  },
  {
    ...{ id: 'sqnr', label: l10n.t('SQNR dB'), name: 'SQNR', unit: 'dB', width: 74, text: ratio },
    title: l10n.t('Signal-to-quantization-noise ratio of the weights'),
  },
  {
    ...{
      id: 'outputs',
      label: l10n.t('Outputs dB'),
      name: 'SQNR of outputs',
      unit: 'dB',
      width: 84,
      text: ratio,
    },
    title: l10n.t('Signal-to-noise ratio of the outputs, for inputs of the calibration text'),
  },
  {
    ...{ id: 'size', label: l10n.t('Size'), name: 'Size', unit: 'bytes', width: 82, text: size },
    title: l10n.t('Of everything that is stored'),
  },
  {
    ...{ id: 'time', label: l10n.t('Time'), name: 'Time', unit: 's', width: 66, text: timeTaken },
    title: l10n.t('What it took on this machine'),
  },
  {
    ...{ id: 'mse', label: l10n.t('MSE'), name: 'Mean squared error', width: 82, text: brief },
    title: l10n.t('Mean squared error of the weights'),
  },
  {
    ...{ id: 'max', label: l10n.t('Max. error'), name: 'Largest error', width: 82, text: brief },
    title: l10n.t('The largest change of a weight'),
  },
  {
    ...{ id: 'cosine', label: l10n.t('Cosine'), name: 'Cosine', width: 78, text: (value) => fixed(value, 6) },
    title: l10n.t('Of the angle between the weights before and after'),
  },
];

const figureColumn = ({ text, name, unit, ...column }: FigureColumn): GridColumn<LensLine> => ({
  ...column,
  cell: ({ result, row }) => {
    const found = result && figuresOf[column.id]!(result);
    return found === undefined ? (row ? '–' : '…') : text(found);
  },
  saved: {
    ...{ name, value: ({ result }) => result && figuresOf[column.id]!(result) },
    ...(unit === undefined ? {} : { unit }),
  },
});

const columns: readonly GridColumn<LensLine>[] = [
  {
    ...{
      id: 'method',
      label: l10n.t('Method'),
      width: 134,
      align: 'left',
      title: l10n.t('How codes are found'),
    },
    cell: ({ methodLabel, row }) =>
      row?.share === undefined ? methodLabel : `${methodLabel}, ${percent(row.share)}`,
    cellTitle: ({ methodLabel }) => methodLabel,
  },
  {
    ...{ id: 'bits', label: l10n.t('Bits'), width: 84, align: 'left' },
    title: l10n.t('Bits per weight, with scales, zero points and everything else that is stored'),
    cell: ({ result, nominalBits }) => {
      const shown = result?.bitsPerWeight ?? nominalBits;
      return shown === undefined ? '…' : <Bits bits={shown} />;
    },
    saved: { name: 'Bits per weight', value: ({ result }) => result?.bitsPerWeight },
  },
  ...figures.slice(0, -3).map(figureColumn),
  {
    ...{ id: 'evidence', label: l10n.t('Evidence'), width: 104, align: 'left' },
    title: l10n.t('What the method knew of the inputs'),
    cell: ({ result }) => result && <span class="evidence">{evidenceWords[result.evidence]}</span>,
    saved: { value: ({ result }) => result && evidenceWords[result.evidence] },
  },
  ...figures.slice(-3).map(figureColumn),
];
