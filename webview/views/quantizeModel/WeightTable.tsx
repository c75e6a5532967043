import * as l10n from '@vscode/l10n';
import { useMemo, useRef, useState } from 'preact/hooks';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { PlannedWeight, QuantizedWeight, QuantizePreview } from '../../../src/protocol/quantizeModel';
import { size } from '../../../src/protocol/words';
import { useAppState } from '../../context';
import { filtered, parseFilter } from '../../filter';
import { decibels } from '../../format';
import { menuContext } from '../../rowMenu';
import { DataGrid } from '../DataGrid';
import { FilterField, FilterStatus } from '../FilterField';
import type { GridColumn } from '../grid';
import { TensorName } from '../TensorName';
import { usePersistent } from '../../usePersistent';

/** A tensor of the result; `done` once its matrix is finished. */
interface Line {
  readonly planned: PlannedWeight;
  readonly done?: QuantizedWeight | undefined;
}

/** Each tensor of the result: from what to what, how, and why; and its error once it is quantized. */
export function WeightTable(props: { preview: QuantizePreview; finished: readonly QuantizedWeight[] }) {
  const { preview, finished } = props;
  const { model } = useAppState();
  const [text, setText] = usePersistent('quantizeModel.filter', '');
  const [onlyQuantized, setOnlyQuantized] = usePersistent('quantizeModel.onlyQuantized', false);
  const [active, setActive] = useState<string>();
  const done = useMemo(() => new Map(finished.map((weight) => [weight.name, weight])), [finished]);
  const filter = useMemo(() => parseFilter(text), [text]);
  const matched = useMemo(
    () =>
      filtered(
        preview.tensors.filter(({ quantized }) => quantized || !onlyQuantized),
        filter,
        ({ name, from, to, method = '', reason }) => ({ name, texts: [from, to, method, reason] }),
      ),
    [preview, filter, onlyQuantized],
  );
  const lines = useLines(matched, done);
  return (
    <div class="export-table">
      <div class="filter">
        <FilterField
          text={text}
          setText={setText}
          label={l10n.t('Filter the tensors of the result')}
          placeholder={l10n.t('Filter by name, grid, method or reason')}
        />
        <label>
          <input
            type="checkbox"
            checked={onlyQuantized}
            onChange={(event) => setOnlyQuantized(event.currentTarget.checked)}
          />
          {l10n.t('Only quantized')}
        </label>
      </div>
      <FilterStatus filter={filter} matched={lines.length} total={preview.tensors.length} noun="tensor" />
      <DataGrid
        id="quantize-model"
        label={l10n.t('Tensors of the result')}
        nameLabel={l10n.t('Tensor')}
        lines={lines}
        columns={done.size > 0 ? allColumns : columnsBefore}
        keyOf={({ planned }) => planned.name}
        name={({ planned }) => <TensorName name={planned.name} />}
        nameTitle={({ planned }) => `${planned.name} [${planned.shape.join(', ')}]`}
        choose={({ planned }) => setActive(planned.name)}
        isChosen={({ planned }) => planned.name === active}
        dataOf={({ planned }) => ({ 'data-tensor': planned.name })}
        contextOf={({ planned }) => menuContext('tensor', model?.path, [planned.name])}
        empty={l10n.t('No tensor matches.')}
      />
    </div>
  );
}

/** The lines of tensors; that of a tensor stays the same until its matrix is finished. */
function useLines(
  matched: readonly PlannedWeight[],
  done: ReadonlyMap<string, QuantizedWeight>,
): readonly Line[] {
  const known = useRef(new WeakMap<PlannedWeight, Line>());
  return useMemo(
    () =>
      matched.map((planned) => {
        const finished = done.get(planned.name);
        const line = known.current.get(planned);
        if (line && line.done === finished) return line;
        const next = { planned, done: finished };
        known.current.set(planned, next);
        return next;
      }),
    [matched, done],
  );
}

const plannedColumns: readonly GridColumn<Line>[] = [
  {
    ...{ id: 'from', label: l10n.t('From'), width: 52, align: 'left' },
    cell: ({ planned }) => <span class="muted">{planned.from}</span>,
    saved: { value: ({ planned }) => planned.from },
  },
  {
    ...{ id: 'to', label: l10n.t('To'), width: 122, align: 'left' },
    cell: ({ planned }) => (planned.quantized ? planned.to : <span class="muted">{planned.to}</span>),
    cellTitle: ({ planned }) => planned.to,
    saved: { value: ({ planned }) => planned.to },
  },
  {
    ...{ id: 'method', label: l10n.t('Method'), width: 64, align: 'left' },
    cell: ({ planned }) => planned.method ?? '',
    cellTitle: ({ done }) => done && `${done.seconds.toFixed(1)} s`,
  },
  {
    ...{ id: 'size', label: l10n.t('Size'), width: 76 },
    cell: ({ planned }) => size(planned.bytes),
    cellTitle: ({ planned }) => l10n.t('{0} now', size(planned.sourceBytes)),
    saved: { unit: 'bytes', value: ({ planned }) => planned.bytes },
  },
];

/** What is known of matrices that are finished. */
const measuredColumns: readonly GridColumn<Line>[] = [
  {
    ...{
      id: 'evidence',
      label: l10n.t('Evidence'),
      title: l10n.t('What the method knew of the inputs'),
      width: 78,
      align: 'left',
    },
    cell: ({ done }) => (done ? evidenceWords[done.evidence] : ''),
  },
  {
    ...{
      id: 'sqnr',
      label: l10n.t('SQNR'),
      title: l10n.t('Of the weights, once they are quantized'),
      width: 66,
    },
    cell: ({ done }) => (done ? decibels(done.relativeError, 1) : ''),
    cellTitle: ({ done }) =>
      done?.roundingError === undefined
        ? undefined
        : l10n.t('Rounding: {0}', decibels(done.roundingError, 1)),
    saved: { name: 'relative squared error', value: ({ done }) => done?.relativeError },
  },
];

const why: GridColumn<Line> = {
  ...{ id: 'why', label: l10n.t('Why'), width: 70, grows: true, align: 'left' },
  cell: ({ planned }) => <span class="muted">{planned.reason}</span>,
  cellTitle: ({ planned }) => planned.reason,
  saved: { value: ({ planned }) => planned.reason },
};

const columnsBefore = [...plannedColumns, why];
const allColumns = [...plannedColumns, ...measuredColumns, why];
