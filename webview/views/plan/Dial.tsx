import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import { useAsk } from '../../context';
import { TextField } from '../../controls';
import { Finder } from './Finder';

/** The other way round: the smallest plan that is predicted to diverge by at most so much. */
export function Dial({ move, disabled }: { move: (budget: number) => void; disabled: boolean }) {
  const ask = useAsk();
  const [text, setText] = useState('');
  const divergence = divergenceFrom(text);
  const find = async (): Promise<void> => {
    if (divergence === undefined) return;
    const found = await ask('smallestBudget', { divergence });
    if (found) move(found.bitsPerWeight);
  };
  return (
    <Finder
      label={l10n.t('KL divergence at most')}
      button={l10n.t('Find Smallest')}
      disabled={disabled || divergence === undefined}
      find={find}
    >
      <TextField
        value={text}
        label={l10n.t('KL divergence at most, nats per token')}
        placeholder="0.001"
        disabled={disabled}
        width="104px"
        onInput={setText}
      />
    </Finder>
  );
}

/** Nats per token, above 0; undefined for anything else. */
function divergenceFrom(text: string): number | undefined {
  const value = Number(text.trim().replaceAll('−', '-'));
  return text.trim() !== '' && Number.isFinite(value) && value > 0 ? value : undefined;
}
