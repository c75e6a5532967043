import * as l10n from '@vscode/l10n';
import type { EvidenceEstimate } from '../../../src/protocol/evidence';
import type { QuantizePreview } from '../../../src/protocol/quantizeModel';
import { duration, plural, size } from '../../../src/protocol/words';
import { bits } from '../../format';
import { Figure } from '../Figure';

/** Size of the result, and what the run would take. */
export function Estimate(props: {
  preview: QuantizePreview;
  isStale: boolean;
  calibration: EvidenceEstimate | undefined;
}) {
  const { preview, isStale, calibration } = props;
  const { fileBytes, sourceBytes, bitsPerWeight, estimate, files, tensors } = preview;
  const quantized = tensors.filter((tensor) => tensor.quantized).length;
  return (
    <dl class={`totals${isStale ? ' stale' : ''}`} data-bytes={fileBytes} aria-live="polite">
      <Figure
        name={files.length > 1 ? l10n.t('size of {0} files', files.length) : l10n.t('size')}
        value={l10n.t('{0} of {1}', size(fileBytes), size(sourceBytes))}
      />
      {bitsPerWeight !== undefined && <Figure name={l10n.t('bits per weight')} value={bits(bitsPerWeight)} />}
      <Figure
        name={l10n.t('matrices')}
        value={l10n.t('{0} of {1}', quantized, plural(tensors.length, 'tensor'))}
      />
      <Figure name={l10n.t('time')} value={`≈ ${duration(estimate.seconds)}`} />
      {calibration && !calibration.isKept && (
        <Figure name={l10n.t('calibration')} value={`≈ ${duration(calibration.seconds)}`} />
      )}
      <Figure name={l10n.t('memory')} value={`≈ ${size(estimate.memoryBytes)}`} />
      <Figure name={l10n.t('disk')} value={size(estimate.diskBytes)} />
    </dl>
  );
}
