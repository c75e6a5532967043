import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import type { FigureChoice } from './useLayerFigures';

/** Why a figure is not known, and what makes it known. */
export function FigureStatus({ choice, isKnown }: { choice: FigureChoice; isKnown: boolean }) {
  const ask = useAsk();
  const { job, sensitivity } = useAppState();
  if (isKnown) return null;
  const isRunning = job.kind === 'running';
  if (choice === 'gain' && sensitivity)
    return (
      <p class="with-action">
        Gains are measured by running the model over a text.{' '}
        <Button disabled={isRunning} onClick={() => void ask('runSensitivityOverText', {})}>
          Measure over a Text…
        </Button>
      </p>
    );
  return (
    <p class="with-action">
      The errors of all tensors in all formats are measured by the sensitivity analysis.{' '}
      <Button disabled={isRunning} onClick={() => void ask('runSensitivity', {})}>
        Run Sensitivity
      </Button>
    </p>
  );
}
