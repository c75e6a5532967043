import type { QuantizationOutcome } from '../../../src/protocol/quantizationView';
import { duration, plural, size } from '../../../src/protocol/words';
import { useAsk } from '../../context';
import { Button } from '../../controls';
import { bits, decibels } from '../../format';
import type { Quantization } from '../../quantization';
import { Figure } from '../Figure';
import { Going } from '../Going';
import { RunFailure } from '../RunFailure';

/**
 * The quantization in progress or the last one.
 * @param props.known notes that the page shows already.
 */
export function Run({ quantization, known }: { quantization: Quantization; known: readonly string[] }) {
  const { title, outcome } = quantization;
  return (
    <section class="run" aria-label={outcome ? 'The last quantization' : 'The quantization in progress'}>
      <h3>{title}</h3>
      {outcome ? <Ended outcome={outcome} known={known} /> : <InProgress {...quantization} />}
    </section>
  );
}

function InProgress({ title, progress, weights }: Quantization) {
  const ask = useAsk();
  return (
    <Going title={title} progress={progress} cancel={() => void ask('cancelQuantization', {})}>
      {weights.length > 0 && ` (${plural(weights.length, 'matrix', 'matrices')} finished)`}
    </Going>
  );
}

function Ended({ outcome, known }: { outcome: QuantizationOutcome; known: readonly string[] }) {
  const ask = useAsk();
  if (outcome.kind === 'quantized') return <Result {...outcome.result} known={known} />;
  return (
    <RunFailure
      failure={outcome}
      cancelled="Cancelled; nothing was written."
      left="; nothing was written"
      repeat={() => void ask('repeatQuantization', {})}
    />
  );
}

const uses = [
  { what: 'folder', label: 'Open Folder' },
  { what: 'open', label: 'Open Model' },
  { what: 'compare', label: 'Compare with Original' },
  { what: 'evaluate', label: 'Evaluate' },
] as const;

type Summary = (QuantizationOutcome & { kind: 'quantized' })['result'];

function Result({ known, ...result }: Summary & { known: readonly string[] }) {
  const { out, fileBytes, sourceBytes, bitsPerWeight, relativeError, seconds, warnings, notes } = result;
  const ask = useAsk();
  return (
    <div class="quantized" role="status">
      <p class="written" title={out}>
        Written: {out}
      </p>
      <dl class="totals">
        <Figure name="size" value={`${size(fileBytes)} of ${size(sourceBytes)}`} />
        {bitsPerWeight !== undefined && <Figure name="bits per weight" value={bits(bitsPerWeight)} />}
        {relativeError !== undefined && (
          <Figure name="SQNR of the weights" value={decibels(relativeError, 2)} />
        )}
        <Figure name="time" value={duration(seconds)} />
      </dl>
      {[...warnings, ...notes.filter((note) => !known.includes(note))].map((sentence) => (
        <p key={sentence} class="muted">
          {sentence}
        </p>
      ))}
      <div class="actions">
        {uses.map(({ what, label }) => (
          <Button key={what} onClick={() => void ask('useQuantized', { what })}>
            {label}
          </Button>
        ))}
      </div>
    </div>
  );
}
