import * as l10n from '@vscode/l10n';
import type { ComparisonState } from '../../../src/protocol/editorState';
import { plural } from '../../../src/protocol/words';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import { SeveralTensors } from './SeveralTensors';
import { Failed } from '../states';

/** Several tensors in formats, each in its own, before anything is written. */
export function TensorsView() {
  const ask = useAsk();
  const { comparison, selected } = useAppState();
  if (!comparison) {
    return (
      <div class="empty">
        <p>
          {l10n.t(
            'Select tensors in the list, with Ctrl or Shift, and choose formats for them: error and size of each are shown before anything is written.',
          )}
        </p>
        <Button
          primary
          disabled={selected.length === 0}
          onClick={() => void ask('quantize', { tensors: selected, choose: true })}
        >
          {l10n.t('Formats…')}
        </Button>
      </div>
    );
  }
  return (
    <div class="page quantize">
      <Controls comparison={comparison} />
      {comparison.error !== undefined && <Failed message={comparison.error} />}
      <SeveralTensors key={comparison.tensors.join('\n')} comparison={comparison} />
    </div>
  );
}

/** Actions on what is shown: compare again, with other formats, or the current selection. */
function Controls({ comparison }: { comparison: ComparisonState }) {
  const ask = useAsk();
  const { selected } = useAppState();
  const { tensors, formats, done } = comparison;
  const compare = (of: readonly string[]): void => void ask('quantize', { tensors: of, formats });
  return (
    <div class="measure">
      {selected.length > 1 && !isSame(selected, tensors) && (
        <Button primary onClick={() => compare(selected)}>
          {l10n.t('Compare {0}', plural(selected.length, 'selected tensor'))}
        </Button>
      )}
      <Button disabled={!done} onClick={() => compare(tensors)}>
        {l10n.t('Run Again')}
      </Button>
      <Button onClick={() => void ask('quantize', { tensors, choose: true })}>{l10n.t('Formats…')}</Button>
    </div>
  );
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name) => b.includes(name));
