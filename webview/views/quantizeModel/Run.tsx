import * as l10n from '@vscode/l10n';
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
    <section
      class="run"
      aria-label={outcome ? l10n.t('The last quantization') : l10n.t('The quantization in progress')}
    >
      <h3>{title}</h3>
      {outcome ? <Ended outcome={outcome} known={known} /> : <InProgress {...quantization} />}
    </section>
  );
}

function InProgress({ title, progress, weights }: Quantization) {
  const ask = useAsk();
  return (
    <Going title={title} progress={progress} cancel={() => void ask('cancelQuantization', {})}>
      {weights.length > 0 && l10n.t(' ({0} finished)', plural(weights.length, 'matrix', 'matrices'))}
    </Going>
  );
}

function Ended({ outcome, known }: { outcome: QuantizationOutcome; known: readonly string[] }) {
  const ask = useAsk();
  if (outcome.kind === 'quantized') return <Result {...outcome.result} known={known} />;
  return (
    <RunFailure
      failure={outcome}
      cancelled={l10n.t('Cancelled; nothing was written.')}
      left={l10n.t('; nothing was written')}
      repeat={() => void ask('repeatQuantization', {})}
    />
  );
}

const uses = [
  { what: 'folder', label: l10n.t('Open Folder') },
  { what: 'open', label: l10n.t('Open Model') },
  { what: 'compare', label: l10n.t('Compare with Original') },
  { what: 'evaluate', label: l10n.t('Evaluate') },
] as const;

type Summary = (QuantizationOutcome & { kind: 'quantized' })['result'];

function Result({ known, ...result }: Summary & { known: readonly string[] }) {
  const { out, fileBytes, sourceBytes, bitsPerWeight, relativeError, seconds, warnings, notes } = result;
  const ask = useAsk();
  return (
    <div class="quantized" role="status">
      <p class="written" title={out}>
        {l10n.t('Written: {0}', out)}
      </p>
      <dl class="totals">
        <Figure name={l10n.t('size')} value={`${size(fileBytes)} of ${size(sourceBytes)}`} />
        {bitsPerWeight !== undefined && (
          <Figure name={l10n.t('bits per weight')} value={bits(bitsPerWeight)} />
        )}
        {relativeError !== undefined && (
          <Figure name={l10n.t('SQNR of the weights')} value={decibels(relativeError, 2)} />
        )}
        <Figure name={l10n.t('time')} value={duration(seconds)} />
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
