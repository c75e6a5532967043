import * as l10n from '@vscode/l10n';
import type { EditedPlan } from '../../../src/protocol/planOutline';
import { useAsk } from '../../context';
import { Button } from '../../controls';

/** Of a plan that its author changed in the file: the slider replaces it only when the user says so, and it can be taken up again. */
export function EditedNotice({ edited: { file, replaced, reason } }: { edited: EditedPlan }) {
  const ask = useAsk();
  return (
    <div class="notice note with-action">
      <span>
        {replaced
          ? l10n.t('This plan replaces that of {0}; the file is unchanged.', file)
          : l10n.t('This is the plan of {0}, which is not the solver’s for its size: {1}.', file, reason)}
      </span>
      <Button onClick={() => void ask('replaceEditedPlan', { replace: !replaced })}>
        {replaced ? l10n.t('Use the File Again') : l10n.t('Solve Again')}
      </Button>
    </div>
  );
}
