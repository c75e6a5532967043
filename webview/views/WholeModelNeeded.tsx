import * as l10n from '@vscode/l10n';
import type { ModelPart } from '../../src/protocol/model';
import { useAsk } from '../context';
import { Button } from '../controls';

/** In place of a view that needs all files of a model, where the editor shows one of them alone. */
export function WholeModelNeeded({ part: { file, number, count } }: { part: ModelPart }) {
  const ask = useAsk();
  return (
    <div class="empty">
      <p>
        {l10n.t(
          '{0} is file {1} of {2} and is shown alone. Exports, evaluations and importance matrices need the whole model.',
          file,
          number,
          count,
        )}
      </p>
      <Button primary onClick={() => void ask('openAlone', { alone: false })}>
        {l10n.t('Show the whole model')}
      </Button>
    </div>
  );
}
