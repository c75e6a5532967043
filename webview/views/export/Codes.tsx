import * as l10n from '@vscode/l10n';
import { CalibrationTextField } from '../CalibrationTextField';
import { Choice, TextSetting } from '../fields';
import type { FormProps } from './fields';
import { isPlan, mayOptimise, targets } from './form';

const choices = [
  { name: 'reference', label: l10n.t('those of llama.cpp') },
  { name: 'optimised', label: l10n.t('optimised') },
] as const;

const objectives = [
  { name: 'two-sided', label: l10n.t('what errors do to predictions') },
  { name: 'one-sided', label: l10n.t('errors of outputs') },
] as const;

/** How the codes of ggml types are found; optimised ones fit the inputs that matrices have over a text. */
export function Codes({ form, change }: FormProps) {
  if (form.type === targets.copy) return null;
  return (
    <>
      <Choice
        label={l10n.t('Codes')}
        flag={l10n.t(
          '--codes: how the codes of types are found; files with codes that are optimised over a text diverge less with the same types and size',
        )}
        options={
          isPlan(form) ? [{ name: '', label: l10n.t('as in the plan') } as const, ...choices] : choices
        }
        value={form.codes === '' && !isPlan(form) ? 'reference' : form.codes}
        onChange={(codes) => change({ codes: codes === 'reference' && !isPlan(form) ? '' : codes })}
      />
      {mayOptimise(form) && (
        <Choice
          label={l10n.t('Minimise')}
          flag={l10n.t(
            '--objective: of optimised codes; what errors do to predictions needs a backward pass over the text',
          )}
          name={l10n.t('What optimised codes minimise')}
          options={objectives}
          value={form.objective}
          onChange={(objective) => change({ objective })}
        />
      )}
      {form.codes === 'optimised' && <Calibration form={form} change={change} />}
    </>
  );
}

const numbers = [
  {
    key: 'calibrationTokens',
    label: l10n.t('Tokens'),
    name: l10n.t('Calibration tokens'),
    placeholder: '65536',
    flag: l10n.t('--tokens: of the text'),
  },
  {
    key: 'calibrationContext',
    label: l10n.t('Window'),
    name: l10n.t('Tokens per calibration window'),
    placeholder: '512',
    flag: l10n.t('--context: tokens of a window: 512, or the model’s context length where that is less'),
  },
] as const;

function Calibration({ form, change }: FormProps) {
  return (
    <>
      <CalibrationTextField
        path={form.calibrationText}
        none={isPlan(form) ? l10n.t('that of the plan') : l10n.t('that of the latest pass')}
        onChange={(calibrationText) => change({ calibrationText })}
      />
      {form.calibrationText !== '' &&
        numbers.map(({ key, ...field }) => (
          <TextSetting
            key={key}
            {...field}
            value={form[key]}
            onChange={(value) => change({ [key]: value })}
          />
        ))}
    </>
  );
}
