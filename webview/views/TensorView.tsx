import type { OutlierLine, TensorAnalysis, TensorStatistics } from '../../src/protocol/analysis';
import { HistogramChart } from '../charts/HistogramChart';
import { OutlierChart } from '../charts/OutlierChart';
import { useAppState, useAsk } from '../context';
import { Button, Spinner } from '../controls';
import { figure, number, shapeText, size } from '../format';
import { useAnalysis, type AnalysisView as View } from '../useAnalysis';

/** The selected tensor: statistics, histogram, outlier map, values. */
export function TensorView() {
  const ask = useAsk();
  const { model, selected } = useAppState();
  const name = selected[selected.length - 1];
  const tensor = model?.tensors.find((item) => item.name === name);
  const view = useAnalysis(tensor);
  if (!tensor) return <p class="empty">Select a tensor to see what is in it.</p>;
  return (
    <>
      <div class="title">
        <h2>{tensor.name}</h2>
        <Button disabled={!tensor.readable} onClick={() => void ask('quantize', { tensors: selected })}>
          {selected.length > 1 ? `Quantize ${selected.length} Layers…` : 'Quantize Layer…'}
        </Button>
      </div>
      <p class="muted">
        {tensor.dtype} · {shapeText(tensor.shape)} · {size(tensor.byteLength)} ·{' '}
        {tensor.file.replace(/^.*[\\/]/, '')} from byte {tensor.offset.toLocaleString('en-US')}
      </p>
      {!tensor.readable && <p class="notice warning">{tensor.unreadableReason}</p>}
      <AnalysisView view={view} bytes={tensor.byteLength} />
    </>
  );
}

function AnalysisView({ view, bytes }: { view: View; bytes: number }) {
  switch (view.kind) {
    case 'none':
      return null;
    case 'asks':
      return <Button onClick={view.start}>{`Analyse (${size(bytes)})`}</Button>;
    case 'reading': {
      const { done = 0, total = 0 } = view.progress ?? {};
      return (
        <p class="loading">
          <Spinner /> Reading the tensor…{total > 0 && ` ${Math.floor((100 * done) / total)} %`}
        </p>
      );
    }
    case 'done':
      return <Analysis analysis={view.analysis} />;
    case 'failed':
      return (
        <div class="notice error" role="alert">
          <span>{view.message}</span>
          <Button onClick={view.start}>Try Again</Button>
        </div>
      );
  }
}

function Analysis({ analysis }: { analysis: TensorAnalysis }) {
  const { outliers } = analysis;
  return (
    <>
      <Statistics statistics={analysis.statistics} />
      <h3>Histogram</h3>
      <HistogramChart before={analysis.histogram} />
      <h3>Outlier map</h3>
      <p class="muted">
        Largest |w| of {outliers.cellRows} × {outliers.cellColumns} weights per cell.
      </p>
      <OutlierChart map={outliers} />
      <div class="lines">
        <Lines title="Rows that stand out" lines={outliers.outlierRows} />
        <Lines title="Columns that stand out" lines={outliers.outlierColumns} />
      </div>
      <h3>Values</h3>
      <Values preview={analysis.preview} />
    </>
  );
}

function Statistics({ statistics: s }: { statistics: TensorStatistics }) {
  const items: [string, string][] = [
    ['min', figure(s.min)],
    ['max', figure(s.max)],
    ['mean', figure(s.mean)],
    ['standard deviation', figure(s.standardDeviation)],
    ['kurtosis', figure(s.kurtosis)],
    ['zeros', s.zeros.toLocaleString('en-US')],
    ['NaN', s.nans.toLocaleString('en-US')],
    ['infinite', s.infinities.toLocaleString('en-US')],
    ...s.percentiles.map(({ percent, value }): [string, string] => [`${percent} %`, figure(value)]),
  ];
  return (
    <dl class="statistics">
      {items.map(([label, value]) => (
        <div key={label} class={(label === 'NaN' || label === 'infinite') && value !== '0' ? 'bad' : ''}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Lines({ title, lines }: { title: string; lines: readonly OutlierLine[] }) {
  return (
    <section>
      <h4>{title}</h4>
      {lines.length === 0 ? (
        <p class="muted">None.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>index</th>
              <th>max |w|</th>
              <th title="Distance from the median in robust standard deviations">score</th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.index}>
                <td>{line.index}</td>
                <td>{number(line.absMax)}</td>
                <td>{line.score.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Values({ preview: { rows, columns, values } }: { preview: TensorAnalysis['preview'] }) {
  return (
    <div class="values">
      <table>
        <tbody>
          {Array.from({ length: Math.min(rows, 16) }, (_, row) => (
            <tr key={row}>
              <th>{row}</th>
              {values.slice(row * columns, (row + 1) * columns).map((value, column) => (
                <td key={column}>{number(value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
