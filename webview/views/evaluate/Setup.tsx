import * as l10n from '@vscode/l10n';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { ModelLimits } from '../../../src/protocol/model';
import { useAppState, useAsk } from '../../context';
import { checked } from '../../formValues';
import { useRecipeChoices } from '../../useRecipeChoices';
import { CalibrationTextField } from '../CalibrationTextField';
import { Choice, PathField, TextSetting } from '../fields';
import {
  isOfPairs,
  isQuantizing,
  isRecipe,
  presetIn,
  settingsOf,
  takesImportance,
  takesRounding,
  type Scored,
} from './form';
import { Start } from './Start';
import type { FormProps } from './useEvaluation';
import { Variant } from './Variant';
import { VariantFiles } from './VariantFiles';

/** What to evaluate, on what, and how; with the button that starts it. */
export function Setup({ form, change }: FormProps) {
  const ask = useAsk();
  const what = scoredOf(useAppState().limits);
  const { value: settings, problem } = checked(() => settingsOf(form, what));
  const props = { form, change };
  const pairs = isOfPairs(form, what);
  return (
    <div class="options" role="group" aria-label={l10n.t('Settings of the evaluation')}>
      <Variant {...props} />
      <WeightFiles {...props} />
      {what.pairs && <PairsFile {...props} />}
      {!pairs && <Texts {...props} />}
      {!pairs && <Windows {...props} />}
      {pairs ? <Device {...props} /> : <Machine {...props} />}
      {!pairs && takesRounding(form) && (
        <div class="flags">
          <label
            title={l10n.t(
              'Inputs of quantized matrices are rounded to 8 bits in blocks, as llama.cpp’s CPU kernels do',
            )}
          >
            <input
              type="checkbox"
              checked={form.roundActivations}
              onChange={(event) => change({ roundActivations: event.currentTarget.checked })}
            />
            {l10n.t('Round activations to 8 bits, as llama.cpp’s CPU kernels do')}
          </label>
        </div>
      )}
      <Start
        problem={problem}
        label={l10n.t('Run')}
        start={() => settings && void ask('evaluate', { settings })}
      />
    </div>
  );
}

/** What a model can be evaluated with. */
const scoredOf = (limits: ModelLimits | undefined): Scored => ({
  text: limits?.run === undefined,
  pairs: limits?.embeds === true,
});

/** What the weights are changed by. */
function WeightFiles({ form, change }: FormProps) {
  return (
    <>
      <VariantFiles form={form} change={change} />
      {takesImportance(form) && (
        <PathField
          label={l10n.t('Importance matrix')}
          flag={l10n.t('The quantizer weights errors with it; some types require it')}
          kind="imatrix"
          path={form.imatrix}
          onChange={(imatrix) => change({ imatrix })}
        />
      )}
      {isRecipe(form) && <CalibrationText form={form} change={change} recipe={presetIn(form)} />}
    </>
  );
}

/** Pairs of texts, for a model that embeds them. */
function PairsFile({ form, change }: FormProps) {
  return (
    <PathField
      label={l10n.t('Pairs')}
      flag={l10n.t(
        'One JSON object per line: {"query": "…", "document": "…"}. Both are embedded, and each query is compared with every document of the file',
      )}
      kind="pairs"
      path={form.pairs}
      none={l10n.t('none (queries and their documents, as JSON lines)')}
      onChange={(pairs) => change({ pairs })}
    />
  );
}

/** What the model is run over. */
function Texts({ form, change }: FormProps) {
  return (
    <>
      <PathField
        label={l10n.t('Text')}
        flag={l10n.t('UTF-8 text whose tokens are scored')}
        kind="text"
        path={form.text}
        none={l10n.t('one that the model was not trained on, such as wiki.test.raw')}
        onChange={(text) => change({ text })}
      />
      <PathField
        label={l10n.t('Questions')}
        flag={l10n.t(
          'Multiple choice, one JSON object per line: {"question": "…", "choices": ["…", "…"], "answer": 0}; the answer is the index of a choice, its text or its letter',
        )}
        kind="tasks"
        path={form.tasks}
        none={l10n.t('none (multiple choice, as JSON lines)')}
        onChange={(tasks) => change({ tasks })}
      />
      <PathField
        label={l10n.t('Base')}
        flag={l10n.t('The model whose distributions the KL divergence is measured from')}
        kind="model"
        path={form.against}
        none={isQuantizing(form) ? l10n.t('this model, unmodified') : l10n.t('none, so no KL divergence')}
        onChange={(against) => change({ against })}
      />
    </>
  );
}

/**
 * The text that a recipe's methods measure the inputs over; recipes that use none do not ask for it.
 * @param props.recipe id of the preset; of a recipe file it is not known what it uses.
 */
export function CalibrationText({ form, change, recipe: id }: FormProps & { recipe: string | undefined }) {
  const { choices } = useRecipeChoices();
  const chosen = choices?.recipes.find(({ recipe }) => recipe.id === id);
  if (chosen?.usable === 'none') return null;
  return (
    <CalibrationTextField
      path={form.calibrationText}
      none={
        chosen && chosen.evidence !== 'none'
          ? l10n.t('the recipe needs {0}', evidenceWords[chosen.evidence])
          : l10n.t('none')
      }
      onChange={(calibrationText) => change({ calibrationText })}
    />
  );
}

const conventions = [
  { name: 'llama.cpp', label: l10n.t('as llama.cpp') },
  { name: 'sliding', label: l10n.t('sliding') },
] as const;
const conventionHelp = [
  l10n.t(
    'as in llama.cpp: adjacent windows; the second half of each is scored, so that every token has context',
  ),
  l10n.t('sliding: windows begin a stride apart; every token of the text is scored once'),
].join('\n');

const numbers = {
  context: {
    label: l10n.t('Context'),
    flag: l10n.t('Tokens per window: 512, or the model’s context length where that is less'),
    name: l10n.t('Tokens per window'),
    placeholder: '512',
  },
  windows: {
    label: l10n.t('At most'),
    flag: l10n.t('Only the first windows of the text; fewer are faster, and the standard error is larger'),
    name: l10n.t('Maximum windows'),
    placeholder: l10n.t('all windows'),
  },
  stride: {
    label: l10n.t('Stride'),
    flag: l10n.t('Tokens from one window’s start to the next'),
    name: 'Stride',
    placeholder: l10n.t('the context'),
  },
} as const;

/** How the text is cut. */
function Windows({ form, change }: FormProps) {
  const isSliding = form.convention === 'sliding';
  const field = (key: keyof typeof numbers, disabled = false) => (
    <TextSetting
      {...numbers[key]}
      value={form[key]}
      placeholder={disabled ? l10n.t('for sliding windows only') : numbers[key].placeholder}
      disabled={disabled}
      onChange={(value) => change({ [key]: value })}
    />
  );
  return (
    <>
      <Choice
        label={l10n.t('Windows')}
        flag={conventionHelp}
        name={l10n.t('Convention of the windows')}
        options={conventions}
        value={form.convention}
        onChange={(convention) => change({ convention })}
      />
      {field('windows')}
      {field('context')}
      {field('stride', !isSliding)}
    </>
  );
}

const memories = [
  { name: 'auto', label: l10n.t('automatic') },
  { name: 'whole', label: l10n.t('whole model') },
  { name: 'streamed', label: l10n.t('block by block') },
] as const;
const devices = [
  { name: 'auto', label: l10n.t('automatic') },
  { name: 'cuda', label: 'CUDA' },
  { name: 'webgpu', label: 'WebGPU' },
  { name: 'cpu', label: 'CPU' },
] as const;

/** Memory and device, which both modes of the tab share. */
export function Machine({ form, change }: FormProps) {
  return (
    <>
      <Choice
        label={l10n.t('Memory')}
        flag={l10n.t(
          'Block by block needs the memory of one block; automatic keeps the whole model when it fits',
        )}
        name={l10n.t('Memory')}
        options={memories}
        value={form.memory}
        onChange={(memory) => change({ memory })}
      />
      <Device form={form} change={change} />
    </>
  );
}

function Device({ form, change }: FormProps) {
  return (
    <Choice
      label={l10n.t('Device')}
      flag={l10n.t('The device that runs the model')}
      name={l10n.t('Device')}
      options={devices}
      value={form.device === 'ort-cpu' ? 'cpu' : form.device}
      onChange={(device) => change({ device })}
    />
  );
}
