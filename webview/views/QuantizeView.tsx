import { useState } from 'preact/hooks';
import type { FormatComparison, TensorComparison } from '../../src/protocol/analysis';
import { HistogramChart } from '../charts/HistogramChart';
import { useApp, useAppState } from '../context';
import { Button, Spinner } from '../controls';
import { number, size } from '../format';
import { FormatBadge } from './FormatBadge';

/** What each chosen format would cost the chosen tensors, before anything is written. */
export function QuantizeView() {
  const { host } = useApp();
  const { comparison, selected } = useAppState();
  if (!comparison) {
    return (
      <div class="empty">
        <p>Choose formats for a tensor and see the error and the size of each before anything is written.</p>
        <Button
          primary
          disabled={selected.length === 0}
          onClick={() => void host.call('quantize', { tensors: selected })}
        >
          Quantize Layer…
        </Button>
      </div>
    );
  }
  return (
    <>
      {comparison.error !== undefined && (
        <p class="notice error" role="alert">
          {comparison.error}
        </p>
      )}
      {comparison.results.map((result) => (
        <Comparison key={result.tensor} result={result} tensors={comparison.tensors} />
      ))}
      {!comparison.done && (
        <p class="loading">
          <Spinner /> {comparison.results.length} of {comparison.tensors.length} tensors
        </p>
      )}
    </>
  );
}

function Comparison({ result, tensors }: { result: TensorComparison; tensors: readonly string[] }) {
  const { host } = useApp();
  const ordered = [...result.formats].sort((a, b) => a.bytes - b.bytes);
  const [chosen, setChosen] = useState(ordered[0]?.format);
  const [saved, setSaved] = useState<string>();
  const shown = ordered.find((item) => item.format === chosen) ?? ordered[0];
  const save = async (): Promise<void> => {
    if (!shown) return;
    const written = await host.call('saveQuantized', { tensors, format: shown.format });
    setSaved(written?.out);
  };
  return (
    <section class="comparison">
      <h2>{result.tensor}</h2>
      <div class="wide-table">
        <table class="errors">
          <thead>
            <tr>
              {['format', 'size', 'bpw', 'MSE', 'rel. error', 'SQNR dB', 'cosine', 'max error'].map(
                (title) => (
                  <th key={title}>{title}</th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {ordered.map((item) => (
              <ErrorRow
                key={item.format}
                item={item}
                chosen={item === shown}
                choose={() => setChosen(item.format)}
              />
            ))}
          </tbody>
        </table>
      </div>
      {result.refused.map(({ format, reason }) => (
        <p key={format} class="notice warning">
          {format}: {reason}
        </p>
      ))}
      {shown && (
        <>
          <h3>Before and after, {shown.format}</h3>
          <HistogramChart before={result.histogram} after={shown.histogram} afterName={shown.format} />
          <Button primary onClick={() => void save()}>
            Save {tensors.length > 1 && `${tensors.length} tensors `}as {shown.format}…
          </Button>
          {saved !== undefined && <p class="muted">Written: {saved}</p>}
        </>
      )}
    </section>
  );
}

function ErrorRow({ item, chosen, choose }: { item: FormatComparison; chosen: boolean; choose: () => void }) {
  const { error } = item;
  return (
    <tr class={chosen ? 'chosen' : ''} data-format={item.format} onClick={choose}>
      <td>
        <FormatBadge format={item.format} />
      </td>
      <td>{size(item.bytes)}</td>
      <td>{item.bitsPerWeight.toFixed(3)}</td>
      <td>{number(error.mse)}</td>
      <td>{number(error.relativeError)}</td>
      <td>{error.sqnr === Infinity ? '∞' : error.sqnr.toFixed(2)}</td>
      <td>{error.cosine.toFixed(6)}</td>
      <td>{number(error.maxError)}</td>
    </tr>
  );
}
