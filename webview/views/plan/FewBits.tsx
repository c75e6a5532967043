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
        Below {fewBits} bits per weight plans are better by gains that are measured in {fewBitsFormat}. These
        take another pass over the text.
      </span>
      <Button disabled={job.kind === 'running'} onClick={() => void ask('runForFewBits', {})}>
        Measure Them
      </Button>
    </div>
  );
}
