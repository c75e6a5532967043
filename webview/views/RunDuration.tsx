import * as l10n from '@vscode/l10n';
import type { SensitivityEstimate } from '../../src/protocol/sensitivityRun';
import { duration } from '../../src/protocol/words';
import { useApp, useAppState } from '../context';
import { useAnswer } from '../useAnswer';

/** How long Run Sensitivity would take, once that is known. Not for a model on a server: the estimate reads weights. */
export function RunDuration() {
  const { host } = useApp();
  const { opening, job, model } = useAppState();
  const isKnowable = job.kind !== 'running' && model !== undefined && !/^https?:/.test(model.path);
  const { value } = useAnswer(isKnowable ? `${opening}` : undefined, (signal) =>
    host.call('estimateSensitivity', {}, { signal }),
  );
  if (!value) return null;
  return (
    <p class="muted" role="status">
      {textOf(value)}
    </p>
  );
}

function textOf({ text, seconds }: SensitivityEstimate): string {
  const time = duration(seconds);
  return text
    ? l10n.t('Takes about {0}, with a run over {1}.', time, text.file.replace(/^.*[\\/]/, ''))
    : l10n.t('Takes about {0}, from the weights alone.', time);
}
