import { useState } from 'preact/hooks';
import { evidenceWords } from '../../../src/protocol/evidence';
import { biasSentence, type MethodResult, type MethodRow } from '../../../src/protocol/methods';
import type { MethodDescription, MethodOptions } from '../../../src/protocol/recipe';
import { duration, size } from '../../../src/protocol/words';
import { HistogramChart } from '../../charts/HistogramChart';
import { useAsk } from '../../context';
import { Button } from '../../controls';
import { bits, decibels, figure, fixed } from '../../format';
import { optionsText } from '../../methodOptions';
import { Figure } from '../Figure';

interface Props {
  readonly row: MethodRow;
  readonly method: MethodDescription;
  readonly result: MethodResult;
  /** Options that differ from the method's defaults. */
  readonly options: MethodOptions;
}

/** A grid and a method in detail: all figures, weights before and after, and saving. */
export function MethodDetail(props: Props) {
  const { row, method, result, options } = props;
  const { grid, histogram } = row;
  const { error, outputError, bias } = result;
  return (
    <section class="method-detail" aria-label={`${grid.name} by ${method.label}`}>
      <h3>
        {grid.label} by {method.label}
      </h3>
      <p class="muted">
        {method.description}
        {Object.keys(options).length > 0 && ` With ${optionsText(options)}.`}
      </p>
      <dl class="totals">
        <Figure name="size" value={size(result.bytes)} />
        <Figure name="bits per weight" value={bits(result.bitsPerWeight)} />
        <Figure name="relative error" value={figure(error.relativeError, 4)} />
        <Figure name="SQNR" value={decibels(error.relativeSquaredError, 2)} />
        {outputError !== undefined && <Figure name="SQNR of outputs" value={decibels(outputError, 2)} />}
        <Figure name="cosine" value={fixed(error.cosine, 6)} />
        <Figure name="largest error" value={figure(error.maxError, 3)} />
        <Figure name="evidence" value={evidenceWords[result.evidence]} />
        <Figure name="time" value={duration(result.seconds)} />
      </dl>
      {bias && <p class="muted bias">{biasSentence(bias)}</p>}
      <HistogramChart
        title="Before and after"
        of={row.tensor}
        before={histogram}
        after={result.histogram}
        afterName={grid.name}
      />
      <SaveIn {...props} />
    </section>
  );
}

/** Writes the layer in a layout that can store it. */
function SaveIn({ row, method, result, options }: Props) {
  const ask = useAsk();
  const { layouts } = result;
  const [layout, setLayout] = useState('');
  const [saved, setSaved] = useState<{ of: string; out: string }>();
  const [busy, setBusy] = useState(false);
  const chosen = layouts.find(({ id }) => id === layout) ?? layouts[0];
  if (!chosen) return <p class="muted">No layout stores this grid.</p>;
  const of = JSON.stringify([row.tensor, row.grid.name, method.id, options, chosen.id]);
  const save = async (): Promise<void> => {
    setBusy(true);
    const params = { tensor: row.tensor, grid: row.grid.name, method: method.id, options, layout: chosen.id };
    const written = await ask('saveMethod', params);
    setSaved(written && { of, out: written.out });
    setBusy(false);
  };
  return (
    <div class="actions">
      <select
        aria-label="Layout"
        value={chosen.id}
        onChange={(event) => setLayout(event.currentTarget.value)}
      >
        {layouts.map(({ id, label }) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
      </select>
      <Button primary disabled={busy} onClick={() => void save()}>
        {busy ? 'Saving…' : 'Save Layer…'}
      </Button>
      {saved?.of === of && (
        <span class="muted written" role="status">
          Written: {saved.out}
        </span>
      )}
    </div>
  );
}
