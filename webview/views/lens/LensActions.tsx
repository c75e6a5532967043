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
  if (!chosen) return <p class="muted">No layout stores this grid.</p>;
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
        aria-label="Layout"
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
        {busy ? 'Saving…' : 'Save Layer…'}
      </Button>
      {saved?.of === of && (
        <span class="muted written" role="status">
          Written: {saved.out}
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
    ? 'There is no plan yet: measure the model on the page Plan'
    : planned === undefined
      ? 'The plan chooses no format for this tensor'
      : `Pins the tensor to ${grid}; the rest of the plan is solved again`;
  return (
    <>
      <Button
        title={hint}
        disabled={planned === undefined}
        onClick={() => void ask('pinInPlan', { tensor, format: grid })}
      >
        Use in Plan
      </Button>
      {planned !== undefined && (
        <span class="muted planned" role="status">
          {planned === grid ? `The plan has ${grid}.` : `Now ${planned} in the plan.`}
        </span>
      )}
    </>
  );
}
