import * as l10n from '@vscode/l10n';
import { fewBits, fewBitsFormat } from '../../../src/protocol/fewBits';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';

/** Of a plan of few bits: that other gains are better for it, until they are measured. */
export function FewBits({ budget }: { budget: number }) {
  const ask = useAsk();
  const { sensitivity, job } = useAppState();
  if (budget >= fewBits || sensitivity?.hasFewBits !== false) return null;
  return (
    <div class="notice note with-action">
      <span>
        {l10n.t(
          'Below {0} bits per weight plans are better by gains that are measured in {1}. These take another pass over the text.',
          fewBits,
          fewBitsFormat,
        )}
      </span>
      <Button disabled={job.kind === 'running'} onClick={() => void ask('runForFewBits', {})}>
        {l10n.t('Measure Them')}
      </Button>
    </div>
  );
}
