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
          ? `This plan replaces that of ${file}; the file is unchanged.`
          : `This is the plan of ${file}, which is not the solver’s for its size: ${reason}.`}
      </span>
      <Button onClick={() => void ask('replaceEditedPlan', { replace: !replaced })}>
        {replaced ? 'Use the File Again' : 'Solve Again'}
      </Button>
    </div>
  );
}
