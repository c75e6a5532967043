import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import { overrideFiles, overrideKinds, type OverrideKind } from '../../../src/protocol/overrides';
import type { Budget } from '../../../src/protocol/plan';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import { Menu } from '../Menu';

/** @param budget where the user moved the slider to: the plan is solved for it first, if that is not done yet. */
export function Actions({ budget }: { budget?: Budget }) {
  const ask = useAsk();
  const { part } = useAppState();
  const [notes, setNotes] = useState<readonly string[]>([]);
  const chosen = budget ? { budget } : {};
  const save = async (kind: OverrideKind): Promise<void> => {
    const saved = await ask('saveOverrides', { kind, ...chosen });
    if (saved) setNotes(saved.notes);
  };
  return (
    <>
      <div class="actions">
        <Button onClick={() => void ask('savePlan', chosen)}>{l10n.t('Save Plan…')}</Button>
        <Button
          primary
          disabled={part?.alone === true}
          title={
            part?.alone ? l10n.t('Exports need the whole model; this is one of its files, shown alone') : ''
          }
          onClick={() => void ask('exportGguf', { plan: true, ...chosen })}
        >
          {l10n.t('Export with Plan…')}
        </Button>
        <Button
          title={l10n.t(
            'The best plan of at most the size of a GGUF file of the same base, compared with its types',
          )}
          onClick={() => void ask('beatFile', {})}
        >
          {l10n.t('Beat a File…')}
        </Button>
        <Menu
          label={l10n.t('Save for Another Tool')}
          items={overrideKinds.map((kind) => ({
            label: l10n.t('Save for {0}…', overrideFiles[kind].label),
            run: () => void save(kind),
          }))}
        />
      </div>
      {notes.map((note) => (
        <p key={note} class="notice note">
          {note}
        </p>
      ))}
    </>
  );
}
