import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useAppState } from '../../context';
import { Loading } from '../../controls';
import { LongText } from '../LongText';
import { Chat } from './chat/Chat';
import { ImportanceMatrix } from './ImportanceMatrix';
import { Preview } from './Preview';
import { Results } from './Results';
import { Run } from './Run';
import { Setup } from './Setup';
import { useEvaluation } from './useEvaluation';
import { Failed } from '../states';

/** How good the model is on a text and on questions, and what quantizing costs it; or an importance matrix from a text. */
export function EvaluateView() {
  const { props, problem } = useEvaluation();
  const { modes, evaluation, evaluationResults: results, limits } = useAppState();
  const mode = modes.evaluate;
  const { run, embeds } = limits ?? {};
  // Pairs of texts take the place of a text where a model embeds them.
  const impossible = embeds && mode === 'evaluation' ? undefined : run;
  const what = mode === 'importance' ? 'calibration' : 'evaluation';
  const shown = limits && impossible === undefined ? props : undefined;
  const isRun = mode === 'evaluation' || mode === 'importance';
  return (
    <div class="evaluate">
      {problem !== undefined && <Failed message={problem} />}
      {problem === undefined && (!props || !limits) && (
        <Loading>{l10n.t('Reading earlier results…')}</Loading>
      )}
      {impossible !== undefined && (
        <p class="notice error" role="alert">
          {mixed(l10n.t('This model cannot be run over a text. {0}'), <LongText text={impossible} />)}
        </p>
      )}
      {shown && isRun && (mode === 'importance' ? <ImportanceMatrix {...shown} /> : <Setup {...shown} />)}
      {shown && mode === 'preview' && <Preview {...shown} />}
      {shown && mode === 'chat' && <Chat against={shown.form.against} />}
      {evaluation && isRun && <Run activity={evaluation} isForeign={evaluation.what !== what} />}
      {mode === 'evaluation' && results && <Results results={results} />}
    </div>
  );
}
