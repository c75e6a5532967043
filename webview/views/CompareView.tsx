import { useEffect, useMemo, useState } from 'preact/hooks';
import type { ComparedTensor, ModelComparison, TensorOverlay } from '../../src/protocol/compare';
import type { EngineProgress } from '../../src/protocol/engine';
import { ErrorMapChart } from '../charts/ErrorMapChart';
import { HistogramChart } from '../charts/HistogramChart';
import { useApp, useAppState, useAsk } from '../context';
import { Button, Spinner } from '../controls';
import { filtered, parseFilter } from '../filter';
import { figure, fixed, nameText, percentDone, ratio, shapeText } from '../format';
import { lineOf, orderCompared } from '../comparedTensors';
import { menuContext } from '../rowMenu';
import { TensorName } from './TensorName';
import { DataGrid } from './DataGrid';
import { FilterField, FilterStatus } from './FilterField';
import { nextOrder, type GridColumn, type GridOrder } from './grid';

/** This model compared with another: how each tensor differs, worst first, and one of them in detail. */
export function CompareView() {
  const ask = useAsk();
  const { model, modelComparison: state } = useAppState();
  const choose = (
    <Button primary={!state} onClick={() => void ask('compareWith', {})}>
      Compare With…
    </Button>
  );
  if (!state) {
    return (
      <div class="empty">
        <p>
          Compare this model with another of any format: tensors are matched even if their names or the order
          of their rows differ.
        </p>
        {choose}
      </div>
    );
  }
  const { other, progress, result, error } = state;
  return (
    <div class="page compare">
      <div class="compare-head">
        <span class="ellipsis" title={other}>
          A: {model?.name ?? 'this model'}, B: {other.replace(/^.*[\\/]/, '')}
        </span>
        {choose}
      </div>
      {error !== undefined && (
        <p class="notice error" role="alert">
          {error}
        </p>
      )}
      {!result && error === undefined && (
        <p class="loading">
          <Spinner />{' '}
          {progress ? `${progress.done} of ${progress.total}: ${progress.message}` : 'Matching tensors…'}
        </p>
      )}
      {result && <Result result={result} other={other} />}
    </div>
  );
}

/** The worst come first until a column is chosen. */
const asCompared: GridOrder = { column: 'error', descending: true };

function Result({ result, other }: { result: ModelComparison; other: string }) {
  const { model } = useAppState();
  const [text, setText] = useState('');
  const filter = useMemo(() => parseFilter(text), [text]);
  const [order, setOrder] = useState(asCompared);
  const [chosen, setChosen] = useState<string>();
  const rows = useMemo(
    () => orderCompared(filtered(result.tensors, filter, lineOf), order),
    [result, filter, order],
  );
  return (
    <>
      <Totals result={result} />
      <div class="filter">
        <FilterField
          text={text}
          setText={setText}
          label="Filter the compared tensors"
          placeholder="Filter by name, dtype or state"
        />
        <FilterStatus filter={filter} matched={rows.length} total={result.tensors.length} noun="tensor" />
      </div>
      <DataGrid
        id="compare"
        label="Compared tensors"
        nameLabel="Tensor"
        lines={rows}
        columns={comparedColumns}
        keyOf={({ name }) => name}
        name={({ name }) => <TensorName name={name} />}
        nameTitle={({ name, a, b }) => `${name} [${shapeText((a ?? b)?.shape ?? [])}]`}
        choose={({ name }) => setChosen(name === chosen ? undefined : name)}
        isChosen={({ name }) => name === chosen}
        dataOf={({ name }) => ({ 'data-tensor': name })}
        contextOf={({ name, a }) =>
          a && !result.translated
            ? menuContext('tensor', model?.path, [a.name], [name])
            : menuContext('name', model?.path, [], [name])
        }
        order={order}
        reorder={(column) => setOrder(nextOrder(order, column))}
        empty="No tensor matches."
      />
      {chosen !== undefined && <Overlay key={chosen} tensor={chosen} other={other} />}
    </>
  );
}

function Totals({ result }: { result: ModelComparison }) {
  const parts = Object.entries(result.counts).filter(([, count]) => count > 0);
  return (
    <>
      <dl class="totals">
        <div>
          <dt>relative error</dt>
          <dd>{figure(result.relativeError)}</dd>
        </div>
        <div>
          <dt>tensors</dt>
          <dd>{parts.map(([status, count]) => `${count.toLocaleString('en-US')} ${status}`).join(', ')}</dd>
        </div>
      </dl>
      {result.translated && (
        <p class="muted">One of the models is GGUF: names and order of rows are those of GGUF.</p>
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
    ...{ id: 'error', label: 'Rel. error', width: 92 },
    cell: (tensor) => errorText(tensor),
    cellTitle: ({ reason }) => reason,
    saved: { name: 'relative error', value: ({ error, status }) => error?.relativeError ?? status },
  },
  {
    ...{ id: 'sqnr', label: 'SQNR dB', width: 80 },
    cell: ({ error }) => error && ratio(error.sqnr),
    saved: { name: 'SQNR', unit: 'dB', value: ({ error }) => error?.sqnr },
  },
  {
    ...{ id: 'cosine', label: 'Cosine', width: 84 },
    cell: ({ error }) => error && fixed(error.cosine, 6),
    saved: { value: ({ error }) => error?.cosine },
  },
  {
    ...{ id: 'max', label: 'Max error', width: 86 },
    cell: ({ error }) => error && figure(error.maxError, 3),
    saved: { value: ({ error }) => error?.maxError },
  },
];

function errorText({ status, error, a, b }: ComparedTensor) {
  if (error) return status === 'equal' ? 'equal' : figure(error.relativeError, 3);
  const shapes = `[${shapeText(a?.shape ?? [])}] and [${shapeText(b?.shape ?? [])}]`;
  return <span class="state">{status === 'shape' ? shapes : status}</span>;
}

/** Both histograms overlaid, and where the tensor differs. */
function Overlay({ tensor, other }: { tensor: string; other: string }) {
  const { host } = useApp();
  const [overlay, setOverlay] = useState<TensorOverlay>();
  const [progress, setProgress] = useState<EngineProgress>();
  const [failure, setFailure] = useState<string>();
  useEffect(() => {
    const closing = new AbortController();
    const { signal } = closing;
    host
      .call(
        'overlay',
        { other, tensor },
        { signal, onProgress: (step) => !signal.aborted && setProgress(step) },
      )
      .then((found) => !signal.aborted && setOverlay(found))
      .catch((error: unknown) => {
        if (!signal.aborted) setFailure(error instanceof Error ? error.message : String(error));
      });
    return () => closing.abort();
  }, [tensor, other]);
  return (
    <section class="overlay" aria-label={`${tensor} in detail`}>
      <h3>{nameText(tensor)}</h3>
      {failure !== undefined && <p class="notice warning">{failure}</p>}
      {!overlay && failure === undefined && (
        <p class="loading">
          <Spinner /> Reading both…{progress && ` ${percentDone(progress)} %`}
        </p>
      )}
      {overlay && (
        <>
          <HistogramChart
            level={4}
            of={tensor}
            before={overlay.histogramA}
            beforeName="A"
            after={overlay.histogramB}
            afterName="B"
          />
          <ErrorMapChart map={overlay.errorMap} of={tensor} />
        </>
      )}
    </section>
  );
}
