import * as l10n from '@vscode/l10n';
import { cacheTypes, type CacheType } from '../../../src/protocol/fit';
import { useApp, useAppState } from '../../context';
import { contextsUpTo, type FitsForm } from '../../model/fits';
import { useAnswer } from '../../useAnswer';

/** What the estimate is asked for, and what changes it. */
export interface SettingsProps {
  readonly form: FitsForm;
  readonly change: (part: Partial<FitsForm>) => void;
}

/** Format, context, sequences and type of keys and values. */
export function Settings(
  props: SettingsProps & { contextLength: number | undefined; used: number | undefined },
) {
  const { form, change, contextLength, used } = props;
  const contexts = contextsUpTo(contextLength);
  const context = form.context === 0 ? (used ?? 0) : form.context;
  const shown =
    contexts.includes(context) || context === 0 ? contexts : [...contexts, context].sort((a, b) => a - b);
  return (
    <div class="fits-settings">
      <label>
        <span class="muted">{l10n.t('Format')}</span>
        <FormatSelect value={form.target} onChange={(target) => change({ target })} />
      </label>
      <label>
        <span class="muted">{l10n.t('Context')}</span>
        <select
          aria-label={l10n.t('Tokens of context')}
          value={String(context)}
          onChange={({ currentTarget }) => change({ context: Number(currentTarget.value) })}
        >
          {shown.map((tokens) => (
            <option key={tokens} value={String(tokens)}>
              {tokens.toLocaleString('en-US')}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="muted">{l10n.t('Sequences')}</span>
        <select
          aria-label={l10n.t('Sequences at a time')}
          value={String(form.sequences)}
          onChange={({ currentTarget }) => change({ sequences: Number(currentTarget.value) })}
        >
          {[1, 2, 4, 8, 16, 32, 64].map((count) => (
            <option key={count} value={String(count)}>
              {count}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="muted">{l10n.t('Keys and values')}</span>
        <select
          aria-label={l10n.t('Type of keys and values')}
          value={form.cacheType}
          onChange={({ currentTarget }) => change({ cacheType: currentTarget.value as CacheType })}
        >
          {cacheTypes.map((type) => (
            <option key={type} value={type}>
              {type}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function FormatSelect({ value, onChange }: { value: string; onChange: (target: string) => void }) {
  const { host } = useApp();
  const { plan } = useAppState();
  const { value: choices } = useAnswer('choices', (signal) => host.call('runChoices', {}, { signal }));
  return (
    <select
      aria-label={l10n.t('Format of the weights')}
      value={value === 'plan' && !plan ? 'stored' : value}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    >
      <option value="stored">{l10n.t('as stored')}</option>
      {plan && <option value="plan">{l10n.t('the plan')}</option>}
      <optgroup label="GGUF">
        {choices?.types.map((type) => (
          <option key={type} value={`type ${type}`}>
            {type}
          </option>
        ))}
      </optgroup>
      <optgroup label={l10n.t('Checkpoints')}>
        {choices?.recipes.map(({ id, label }) => (
          <option key={id} value={`recipe ${id}`}>
            {label}
          </option>
        ))}
      </optgroup>
    </select>
  );
}
