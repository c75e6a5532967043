import * as l10n from '@vscode/l10n';
import { plural } from '../../../src/protocol/words';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import type { Scan } from '../../useScan';
import { Going } from '../Going';
import type { FigureChoice } from '../../model/figureChoices';
import { Failed } from '../states';

interface FigureStatusProps {
  readonly choice: FigureChoice;
  readonly isKnown: boolean;
  readonly scan: Scan;
}

/** Figures that no scan has. */
const unscanned: ReadonlySet<FigureChoice> = new Set(['bits', 'gain']);

/** How far a figure is known, and what makes it known. */
export function FigureStatus({ choice, isKnown, scan }: FigureStatusProps) {
  if (choice === 'gain') return isKnown ? null : <GainsNeeded />;
  if (scan.activity.kind === 'running')
    return (
      <Going title={l10n.t('Scan of the model')} progress={scan.activity.progress} cancel={scan.cancel} />
    );
  // An error of the sensitivity table needs no scan.
  if (unscanned.has(choice) || (choice === 'error' && isKnown && !scan.value?.error)) return null;
  return <ScanNeeded {...{ choice, scan }} />;
}

/** What has not been scanned, and a button for it. */
function ScanNeeded({ choice, scan }: Omit<FigureStatusProps, 'isKnown'>) {
  const { value, failure, activity, start } = scan;
  const problem = failure ?? (activity.kind === 'failed' ? activity.message : undefined);
  const done = choice === 'error' ? (value?.error?.measured ?? 0) : (value?.names.length ?? 0);
  const left = value === undefined ? undefined : value.tensors - done;
  if (problem === undefined && (left === undefined || left === 0)) return null;
  const isBegun = value !== undefined && done > 0;
  return (
    <>
      {problem !== undefined && <Failed message={problem} />}
      <p class="figure-status">
        <span>
          {isBegun
            ? l10n.t(
                '{0} of {1} not scanned yet.',
                plural(left ?? 0, 'tensor'),
                value.tensors.toLocaleString('en-US'),
              )
            : l10n.t('One pass over all weights gives these figures; it can be stopped and continued.')}
        </span>
        <Button primary onClick={start}>
          {isBegun ? l10n.t('Continue the Scan') : l10n.t('Scan the Model')}
        </Button>
      </p>
    </>
  );
}

function GainsNeeded() {
  const ask = useAsk();
  const { job, sensitivity } = useAppState();
  const isRunning = job.kind === 'running';
  return (
    <p class="figure-status">
      <span>{l10n.t('Gains are measured by running the model over a text, after its sensitivity.')}</span>
      <Button
        primary
        disabled={isRunning}
        onClick={() => void ask(sensitivity ? 'runSensitivityOverText' : 'runSensitivity', {})}
      >
        {sensitivity ? l10n.t('Measure over a Text…') : l10n.t('Run Sensitivity')}
      </Button>
    </p>
  );
}
