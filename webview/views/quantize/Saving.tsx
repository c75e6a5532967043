import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { TensorChoice } from '../../../src/protocol/quantizeTensors';
import { useAsk } from '../../context';
import { Button } from '../../controls';

/** Writes the tensors, each in its format, into one file, and says where. */
export function Saving(props: { choices: readonly TensorChoice[]; label: string; disabled?: boolean }) {
  const ask = useAsk();
  const { choices, label, disabled = false } = props;
  const [saved, setSaved] = useState<{ of: string; out: string }>();
  const [busy, setBusy] = useState(false);
  const of = choices.map(({ tensor, format }) => `${tensor}\n${format}`).join('\n');
  const save = async (): Promise<void> => {
    setBusy(true);
    const written = await ask('saveQuantized', { choices });
    setSaved(written && { of, out: written.out });
    setBusy(false);
  };
  return (
    <div class="actions">
      <Button primary disabled={disabled || busy} onClick={() => void save()}>
        {busy ? l10n.t('Saving…') : label}
      </Button>
      {saved?.of === of && (
        <span class="muted written" role="status">
          {l10n.t('Written: {0}', saved.out)}
        </span>
      )}
    </div>
  );
}
