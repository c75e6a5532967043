import { useState } from 'preact/hooks';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { MethodResult, MethodRow } from '../../../src/protocol/methods';
import type { MethodDescription } from '../../../src/protocol/recipe';
import { duration, size } from '../../../src/protocol/words';
import { HistogramChart } from '../../charts/HistogramChart';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import { bits, decibels, figure, fixed } from '../../format';
import { Figure } from '../Figure';
import { Saving } from '../quantize/Saving';

interface Props {
  readonly row: MethodRow;
  readonly method: MethodDescription;
  readonly result: MethodResult;
}

/** A grid and a method in detail: all figures, weights before and after, and saving. */
export function MethodDetail({ row, method, result }: Props) {
  const { formats } = useAppState();
  const { tensor, grid, histogram } = row;
  const { error, outputError } = result;
  const format = method.id === 'rtn' ? formats.find(({ id }) => id === grid.name) : undefined;
  return (
    <section class="method-detail" aria-label={`${grid.name} by ${method.label}`}>
      <h3>
        {grid.label} by {method.label}
      </h3>
      <p class="muted">{method.description}</p>
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
      <h3>Before and after</h3>
      <HistogramChart before={histogram} after={result.histogram} afterName={grid.name} />
      {format ? (
        <Saving choices={[{ tensor, format: format.id }]} label={`Save as ${format.id}…`} />
      ) : (
        <SaveIn row={row} method={method} result={result} />
      )}
    </section>
  );
}

/** Writes the layer in the layout of a runtime that can store it. */
function SaveIn({ row, method, result }: Props) {
  const ask = useAsk();
  const { layouts } = result;
  const [layout, setLayout] = useState('');
  const [saved, setSaved] = useState<{ of: string; out: string }>();
  const [busy, setBusy] = useState(false);
  const chosen = layouts.find(({ id }) => id === layout) ?? layouts[0];
  if (!chosen) return <p class="muted">No layout of a runtime stores this grid.</p>;
  const of = [row.tensor, row.grid.name, method.id, chosen.id].join('\n');
  const save = async (): Promise<void> => {
    setBusy(true);
    const params = { tensor: row.tensor, grid: row.grid.name, method: method.id, layout: chosen.id };
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
