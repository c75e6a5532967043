import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ComparedTensor, ModelComparison, TensorOverlay } from '../../src/protocol/compare';
import { ErrorMapChart } from '../charts/ErrorMapChart';
import { HistogramChart } from '../charts/HistogramChart';
import { useApp, useAppState, useAsk } from '../context';
import { Button, Spinner, TextField } from '../controls';
import { figure, fixed, ratio, shapeText } from '../format';
import { useVirtualRows } from '../virtualRows';

/** Another model beside this one: how each tensor differs, the worst first, and one of them in detail. */
export function CompareView() {
  const ask = useAsk();
  const { modelComparison: state } = useAppState();
  const choose = (
    <Button primary={!state} onClick={() => void ask('compareWith', {})}>
      Compare With…
    </Button>
  );
  if (!state) {
    return (
      <div class="empty">
        <p>
          Compare this model with another of any format: tensors are matched whatever they are called and
          however their rows are ordered.
        </p>
        {choose}
      </div>
    );
  }
  const { other, progress, result, error } = state;
  return (
    <div class="compare">
      <div class="compare-head">
        <span class="ellipsis" title={other}>
          B: {other.replace(/^.*[\\/]/, '')}
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

type Order = 'worst' | 'name';

function Result({ result, other }: { result: ModelComparison; other: string }) {
  const [filter, setFilter] = useState('');
  const [order, setOrder] = useState<Order>('worst');
  const [chosen, setChosen] = useState<string>();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => {
    const words = filter.toLowerCase().split(/\s+/);
    const found = result.tensors.filter(({ name, status }) =>
      words.every((word) => `${name} ${status}`.toLowerCase().includes(word)),
    );
    return order === 'worst' ? found : found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }, [result, filter, order]);
  const virtual = useVirtualRows(rows.length, scroller);
  const parts = Object.entries(result.counts).filter(([, count]) => count > 0);
  return (
    <>
      <dl class="statistics totals">
        <div>
          <dt>relative error</dt>
          <dd>{figure(result.relativeError)}</dd>
        </div>
        <div class="wide">
          <dt>tensors</dt>
          <dd>{parts.map(([status, count]) => `${count} ${status}`).join(', ')}</dd>
        </div>
      </dl>
      {result.translated && (
        <p class="muted">One of the models is GGUF: names and order of rows are those of GGUF.</p>
      )}
      <div class="filter">
        <TextField
          value={filter}
          label="Filter the compared tensors"
          placeholder="Filter by name or state"
          onInput={setFilter}
          width="100%"
        />
        <select
          aria-label="Order"
          value={order}
          onChange={(event) => setOrder(event.currentTarget.value as Order)}
        >
          <option value="worst">worst first</option>
          <option value="name">by name</option>
        </select>
      </div>
      <div class="compare-row head" role="row">
        <span>Tensor</span>
        <span>A</span>
        <span>B</span>
        <span class="right">Rel. error</span>
        <span class="right">SQNR dB</span>
        <span class="right">Cosine</span>
        <span class="right">Max error</span>
      </div>
      <div class="rows" role="grid" aria-label="Compared tensors" aria-rowcount={rows.length} ref={scroller}>
        <div class="canvas" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const tensor = rows[index];
            return (
              tensor && (
                <Row
                  key={tensor.name}
                  tensor={tensor}
                  start={start}
                  chosen={tensor.name === chosen}
                  choose={() => setChosen(tensor.name === chosen ? undefined : tensor.name)}
                />
              )
            );
          })}
        </div>
        {rows.length === 0 && <p class="empty">No tensor matches.</p>}
      </div>
      {chosen !== undefined && <Overlay key={chosen} tensor={chosen} other={other} />}
    </>
  );
}

function Row(props: { tensor: ComparedTensor; start: number; chosen: boolean; choose: () => void }) {
  const { tensor, start, chosen, choose } = props;
  const { name, a, b, error, status, reason } = tensor;
  return (
    <div
      role="row"
      tabIndex={0}
      data-tensor={name}
      aria-selected={chosen}
      class={`compare-row${chosen ? ' selected' : ''}${error ? '' : ' odd'}`}
      style={{ transform: `translateY(${start}px)` }}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        choose();
        event.preventDefault();
      }}
    >
      <span role="gridcell" class="ellipsis" title={`${name} [${shapeText((a ?? b)?.shape ?? [])}]`}>
        {name}
      </span>
      <span role="gridcell">{a?.dtype ?? '–'}</span>
      <span role="gridcell">{b?.dtype ?? '–'}</span>
      {error ? (
        <>
          <span role="gridcell" class="right">
            {status === 'equal' ? 'equal' : figure(error.relativeError, 3)}
          </span>
          <span role="gridcell" class="right">
            {ratio(error.sqnr)}
          </span>
          <span role="gridcell" class="right">
            {fixed(error.cosine, 6)}
          </span>
          <span role="gridcell" class="right">
            {figure(error.maxError, 3)}
          </span>
        </>
      ) : (
        <span role="gridcell" class="state" title={reason}>
          {status === 'shape' ? `[${shapeText(a?.shape ?? [])}] and [${shapeText(b?.shape ?? [])}]` : status}
        </span>
      )}
    </div>
  );
}

/** Both histograms over each other, and where the tensor differs. */
function Overlay({ tensor, other }: { tensor: string; other: string }) {
  const { host } = useApp();
  const [overlay, setOverlay] = useState<TensorOverlay>();
  const [failure, setFailure] = useState<string>();
  useEffect(() => {
    let gone = false;
    host
      .call('overlay', { other, tensor })
      .then((found) => !gone && setOverlay(found))
      .catch((error: unknown) => !gone && setFailure(error instanceof Error ? error.message : String(error)));
    return () => (gone = true);
  }, [tensor, other]);
  return (
    <section class="overlay" aria-label={`${tensor} in detail`}>
      <h3>{tensor}</h3>
      {failure !== undefined && <p class="notice warning">{failure}</p>}
      {!overlay && failure === undefined && (
        <p class="loading">
          <Spinner /> Reading both…
        </p>
      )}
      {overlay && (
        <>
          <HistogramChart
            before={overlay.histogramA}
            beforeName="A"
            after={overlay.histogramB}
            afterName="B"
          />
          <h4>Root mean square of the difference</h4>
          <ErrorMapChart map={overlay.errorMap} />
        </>
      )}
    </section>
  );
}
