import { CalibrationTextField } from '../CalibrationTextField';
import { Choice, TextSetting } from '../fields';
import type { FormProps } from './fields';
import { isPlan, mayOptimise, targets } from './form';

const choices = [
  { name: 'reference', label: 'those of llama.cpp' },
  { name: 'optimised', label: 'optimised' },
] as const;

const objectives = [
  { name: 'two-sided', label: 'what errors do to predictions' },
  { name: 'one-sided', label: 'errors of outputs' },
] as const;

/** How the codes of ggml types are found; optimised ones fit the inputs that matrices have over a text. */
export function Codes({ form, change }: FormProps) {
  if (form.type === targets.copy) return null;
  return (
    <>
      <Choice
        label="Codes"
        flag="--codes: how the codes of types are found; files with codes that are optimised over a text diverge less with the same types and size"
        options={isPlan(form) ? [{ name: '', label: 'as in the plan' } as const, ...choices] : choices}
        value={form.codes === '' && !isPlan(form) ? 'reference' : form.codes}
        onChange={(codes) => change({ codes: codes === 'reference' && !isPlan(form) ? '' : codes })}
      />
      {mayOptimise(form) && (
        <Choice
          label="Minimise"
          flag="--objective: of optimised codes; what errors do to predictions needs a backward pass over the text"
          name="What optimised codes minimise"
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
    label: 'Tokens',
    name: 'Calibration tokens',
    placeholder: '65536',
    flag: '--tokens: of the text',
  },
  {
    key: 'calibrationContext',
    label: 'Window',
    name: 'Tokens per calibration window',
    placeholder: '512',
    flag: '--context: tokens of a window: 512, or the model’s context length where that is less',
  },
] as const;

function Calibration({ form, change }: FormProps) {
  return (
    <>
      <CalibrationTextField
        path={form.calibrationText}
        none={isPlan(form) ? 'that of the plan' : 'that of the latest pass'}
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
