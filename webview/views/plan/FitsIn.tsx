import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import { cacheTypes, type CacheType, type FittingBits } from '../../../src/protocol/fit';
import { useAppState, useAsk } from '../../context';
import { TextField } from '../../controls';
import { foundText, requestFrom, type TypedFit } from '../../fitRequest';
import { Finder } from './Finder';
import { usePersistentForm } from '../../usePersistent';

/** Plans whose bits per weight differ by less have the size that was found. */
const sameSize = 0.01;

/** Names of tensors with the experts of a mixture. */
const expert = /experts?\b|_exps\b/;

const nothingTyped: TypedFit = { memory: '', gpuMemory: '', cpuMoe: false, context: '', cacheType: 'f16' };

/**
 * Another budget: what the context and the buffers of llama.cpp leave of a memory, or of a GPU's and RAM. What they take is shown while the plan
 * has that size.
 * @param props.budget bits per weight of the plan.
 */
export function FitsIn({ budget, disabled }: { budget: number; disabled: boolean }) {
  const ask = useAsk();
  const { model } = useAppState();
  const [typed, setTyped] = usePersistentForm('plan.fits', nothingTyped);
  const [found, setFound] = useState<FittingBits>();
  const request = requestFrom(typed);
  const change = (part: Partial<TypedFit>): void => setTyped((now) => ({ ...now, ...part }));
  const hasExperts = model?.tensors.some(({ name }) => expert.test(name)) === true;
  const find = async (): Promise<void> => {
    setFound(undefined);
    const answer = request && (await ask('fitPlan', { request }));
    if (answer) setFound(answer);
  };
  const text = (key: 'memory' | 'gpuMemory' | 'context', label: string, placeholder: string) => (
    <TextField
      value={typed[key]}
      width="104px"
      {...{ label, placeholder, disabled }}
      title={label}
      onInput={(value) => change({ [key]: value })}
    />
  );
  return (
    <>
      <Finder label={l10n.t('Fits in')} button={l10n.t('Fit')} disabled={disabled || !request} find={find}>
        {text('memory', l10n.t('Memory that llama.cpp may take; RAM where a GPU is named'), '8 GB')}
        <span>{l10n.t('and a GPU')}</span>
        {text('gpuMemory', l10n.t('Memory of the GPU; empty for one memory'), 'none')}
        {hasExperts && typed.gpuMemory.trim() !== '' && (
          <label title={l10n.t('--cpu-moe of llama.cpp')}>
            <input
              type="checkbox"
              disabled={disabled}
              checked={typed.cpuMoe}
              onChange={({ currentTarget }) => change({ cpuMoe: currentTarget.checked })}
            />
            {l10n.t('experts in RAM')}
          </label>
        )}
        <span>{l10n.t('with')}</span>
        {text('context', l10n.t('Tokens of context'), '8192 tokens')}
        <select
          aria-label={l10n.t('Type of keys and values')}
          disabled={disabled}
          value={typed.cacheType}
          onChange={({ currentTarget }) => change({ cacheType: currentTarget.value as CacheType })}
        >
          {cacheTypes.map((type) => (
            <option key={type} value={type}>
              {type}
            </option>
          ))}
        </select>
      </Finder>
      {found && Math.abs(found.bitsPerWeight - budget) < sameSize && (
        <p class="caption dial-found" role="status">
          {foundText(found)}
        </p>
      )}
    </>
  );
}
