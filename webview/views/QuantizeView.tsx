import { useState } from 'preact/hooks';
import type { FormatComparison, TensorComparison } from '../../src/protocol/analysis';
import { HistogramChart } from '../charts/HistogramChart';
import { useAppState, useAsk } from '../context';
import { Button, Spinner } from '../controls';
import { figure, fixed, ratio, size } from '../format';
import { FormatBadge } from './FormatBadge';

/** What each chosen format would cost the chosen tensors, before anything is written. */
export function QuantizeView() {
  const ask = useAsk();
  const { comparison, selected } = useAppState();
  if (!comparison) {
    return (
      <div class="empty">
        <p>Choose formats for a tensor and see the error and the size of each before anything is written.</p>
        <Button
          primary
          disabled={selected.length === 0}
          onClick={() => void ask('quantize', { tensors: selected })}
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
  const ask = useAsk();
  const ordered = [...result.formats].sort((a, b) => a.bytes - b.bytes);
  const [chosen, setChosen] = useState(ordered[0]?.format);
  const [saved, setSaved] = useState<{ format: string; out: string }>();
  const shown = ordered.find((item) => item.format === chosen) ?? ordered[0];
  const save = async (): Promise<void> => {
    if (!shown) return;
    const written = await ask('saveQuantized', { tensors, format: shown.format });
    setSaved(written && { format: shown.format, out: written.out });
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
                all={ordered}
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
          {saved?.format === shown.format && <p class="muted">Written: {saved.out}</p>}
        </>
      )}
    </section>
  );
}

/** Enough to compare by, and narrow enough for all columns to be seen. */
const brief = (value: number): string => figure(value, 3);

/** The numbers of a row, and whether a larger one is better. */
const columns: readonly {
  readonly value: (item: FormatComparison) => number;
  readonly text: (value: number) => string;
  readonly larger?: boolean;
}[] = [
  { value: (item) => item.bytes, text: size },
  { value: (item) => item.bitsPerWeight, text: (value) => value.toFixed(3) },
  { value: (item) => item.error.mse, text: brief },
  { value: (item) => item.error.relativeError, text: brief },
  {
    value: (item) => item.error.sqnr,
    text: ratio,
    larger: true,
  },
  { value: (item) => item.error.cosine, text: (value) => fixed(value, 6), larger: true },
  { value: (item) => item.error.maxError, text: brief },
];

function ErrorRow(props: {
  item: FormatComparison;
  all: readonly FormatComparison[];
  chosen: boolean;
  choose: () => void;
}) {
  const { item, all, chosen, choose } = props;
  return (
    <tr
      class={chosen ? 'chosen' : ''}
      data-format={item.format}
      tabIndex={0}
      aria-current={chosen}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        choose();
        event.preventDefault();
      }}
    >
      <td>
        <FormatBadge format={item.format} />
      </td>
      {columns.map(({ value, text, larger }, index) => {
        const best = (larger ? Math.max : Math.min)(...all.map(value));
        return (
          <td key={index} class={all.length > 1 && value(item) === best ? 'best' : ''}>
            {text(value(item))}
          </td>
        );
      })}
    </tr>
  );
}
