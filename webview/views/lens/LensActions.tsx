import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { MethodResult } from '../../../src/protocol/methods';
import type { MethodOptions } from '../../../src/protocol/recipe';
import { useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import type { LensLine } from '../../lensRecipes';

interface Props {
  readonly tensor: string;
  readonly line: LensLine & { readonly result: MethodResult };
  /** Options that differ from the method's defaults. */
  readonly options: MethodOptions;
  /** The type that the plan gives the tensor. */
  readonly planned: string | undefined;
}

/** What can be done with a recipe: written in a layout that can store it, or pinned in the plan. */
export function LensActions(props: Props) {
  return (
    <div class="actions">
      <SaveIn {...props} />
      <UseInPlan {...props} />
    </div>
  );
}

/** Writes the layer in a layout that can store it. */
function SaveIn({ tensor, line, options }: Props) {
  const ask = useAsk();
  const { grid, method, result } = line;
  const { layouts } = result;
  const [layout, setLayout] = useState('');
  const [saved, setSaved] = useState<{ of: string; out: string }>();
  const [busy, setBusy] = useState(false);
  const chosen = layouts.find(({ id }) => id === layout) ?? layouts[0];
  if (!chosen) return <p class="muted">{l10n.t('No layout stores this grid.')}</p>;
  const of = JSON.stringify([tensor, grid, method, options, chosen.id]);
  const save = async (): Promise<void> => {
    setBusy(true);
    const written = await ask('saveMethod', { tensor, grid, method, options, layout: chosen.id });
    setSaved(written && { of, out: written.out });
    setBusy(false);
  };
  return (
    <>
      <select
        aria-label={l10n.t('Layout')}
        value={chosen.id}
        onChange={(event) => setLayout(event.currentTarget.value)}
      >
        {layouts.map(({ id, label }) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
      </select>
      <Button primary disabled={busy} onClick={() => void save()}>
        {busy ? l10n.t('Saving…') : l10n.t('Save Layer…')}
      </Button>
      {saved?.of === of && (
        <span class="muted written" role="status">
          {l10n.t('Written: {0}', saved.out)}
        </span>
      )}
    </>
  );
}

/** Pins the tensor to a type of GGUF, where there is a plan that can hold it. */
function UseInPlan({ tensor, line: { grid, family }, planned }: Props) {
  const ask = useAsk();
  const { plan } = useAppState();
  if (family !== 'gguf') return null;
  const hint = !plan
    ? l10n.t('There is no plan yet: measure the model on the page Plan')
    : planned === undefined
      ? l10n.t('The plan chooses no format for this tensor')
      : l10n.t('Pins the tensor to {0}; the rest of the plan is solved again', grid);
  return (
    <>
      <Button
        title={hint}
        disabled={planned === undefined}
        onClick={() => void ask('pinInPlan', { tensor, format: grid })}
      >
        {l10n.t('Use in Plan')}
      </Button>
      {planned !== undefined && (
        <span class="muted planned" role="status">
          {planned === grid ? l10n.t('The plan has {0}.', grid) : l10n.t('Now {0} in the plan.', planned)}
        </span>
      )}
    </>
  );
}
