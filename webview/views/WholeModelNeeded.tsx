import type { ModelPart } from '../../src/protocol/model';
import { useAsk } from '../context';
import { Button } from '../controls';

/** In place of a view that needs all files of a model, where the editor shows one of them alone. */
export function WholeModelNeeded({ part: { file, number, count } }: { part: ModelPart }) {
  const ask = useAsk();
  return (
    <div class="empty">
      <p>
        {file} is file {number} of {count} and is shown alone. Exports, evaluations and importance matrices
        need the whole model.
      </p>
      <Button primary onClick={() => void ask('openAlone', { alone: false })}>
        Show the whole model
      </Button>
    </div>
  );
}
