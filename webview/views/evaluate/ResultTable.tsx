import * as l10n from '@vscode/l10n';
import type { DataColumn } from '../../../src/protocol/dataTable';
import type { EvaluationResult } from '../../../src/protocol/evaluation';
import { useAppState, useAsk } from '../../context';
import { columns, nameOf, variantColumn, type Column } from './columns';
import { ordered, type Order, type ResultGroup } from './groups';

interface Props {
  readonly group: ResultGroup;
  readonly order: Order;
  readonly reorder: (order: Order) => void;
  /** Ids of the rows to compare. */
  readonly ticked: readonly string[];
  readonly tick: (id: string, on: boolean) => void;
}

/** The results of a group, one per row; figures that no run of the group has are omitted. Names and header stay visible. */
export function ResultTable({ group, order, reorder, ticked, tick }: Props) {
  const shown = columns.filter(({ value }) => group.results.some((result) => value(result) !== undefined));
  return (
    <div class="wide-table" tabIndex={0} role="region" aria-label={l10n.t('Results on {0}', group.title)}>
      <table class="result-table">
        <thead>
          <tr>
            {[variantColumn, ...shown].map((column) => (
              <Head key={column.id} column={column} order={order} reorder={reorder} />
            ))}
            <th scope="col">
              <span class="hidden">{l10n.t('Remove')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {ordered(group.results, order).map((result) => (
            <Row
              key={result.id}
              result={result}
              columns={shown}
              isTicked={ticked.includes(result.id)}
              tick={(on) => tick(result.id, on)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A header that sorts the table; a second click reverses the order. */
function Head({ column, order, reorder }: { column: Column } & Pick<Props, 'order' | 'reorder'>) {
  const isOrder = order.column.id === column.id;
  const sort = !isOrder ? 'none' : order.descending ? 'descending' : 'ascending';
  const arrow = { none: '', ascending: ' ↑', descending: ' ↓' }[sort];
  return (
    <th scope="col" aria-sort={sort} class={column.id === 'variant' ? 'name' : ''}>
      <button
        title={column.meaning}
        onClick={() => reorder({ column, descending: isOrder && !order.descending })}
      >
        {column.label}
        <span aria-hidden="true">{arrow}</span>
      </button>
    </th>
  );
}

function Row(props: {
  result: EvaluationResult;
  columns: readonly Column[];
  isTicked: boolean;
  tick: (on: boolean) => void;
}) {
  const ask = useAsk();
  const { evaluation, model } = useAppState();
  const { result, isTicked, tick } = props;
  const name = nameOf(result, model?.path ?? '');
  const outcome = evaluation?.outcome;
  const isLatest = outcome?.kind === 'evaluated' && outcome.id === result.id;
  return (
    <tr data-result={result.id} class={isLatest ? 'latest' : ''}>
      <th scope="row" class="name" title={result.model.path}>
        <input
          type="checkbox"
          aria-label={l10n.t('Compare {0}', name)}
          checked={isTicked}
          onChange={(event) => tick(event.currentTarget.checked)}
        />
        {name}
        {isLatest && <span class="cause mixture">{l10n.t('new')}</span>}
      </th>
      {props.columns.map(({ id, show, detail }) => (
        <td key={id} data-column={id} title={detail?.(result)}>
          {show(result)}
        </td>
      ))}
      <td>
        <button
          class="icon"
          title={l10n.t('Remove this result')}
          aria-label={l10n.t('Remove the result {0}', name)}
          onClick={() => void ask('removeResult', { id: result.id })}
        >
          ×
        </button>
      </td>
    </tr>
  );
}

/** Figures of a group, each as it was computed; those that no run has are left out. */
export function resultData({ results }: ResultGroup): DataColumn[] {
  const known = columns.filter(({ value }) => results.some((result) => value(result) !== undefined));
  return [variantColumn, ...known].map(({ label, value }) => ({ name: label, values: results.map(value) }));
}
