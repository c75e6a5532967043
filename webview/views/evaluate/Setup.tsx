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
  variants,
  type Scored,
} from './form';
import { Start } from './Start';
import type { FormProps } from './useEvaluation';
import { Variant } from './Variant';

/** What to evaluate, on what, and how; with the button that starts it. */
export function Setup({ form, change }: FormProps) {
  const ask = useAsk();
  const what = scoredOf(useAppState().model?.limits);
  const { value: settings, problem } = checked(() => settingsOf(form, what));
  const props = { form, change };
  const pairs = isOfPairs(form, what);
  return (
    <div class="options" role="group" aria-label="Settings of the evaluation">
      <Variant {...props} />
      <WeightFiles {...props} />
      {what.pairs && <PairsFile {...props} />}
      {!pairs && <Texts {...props} />}
      {!pairs && <Windows {...props} />}
      {pairs ? <Device {...props} /> : <Machine {...props} />}
      {!pairs && takesRounding(form) && (
        <div class="flags">
          <label title="Inputs of quantized matrices are rounded to 8 bits in blocks, as llama.cpp’s CPU kernels do">
            <input
              type="checkbox"
              checked={form.roundActivations}
              onChange={(event) => change({ roundActivations: event.currentTarget.checked })}
            />
            Round activations to 8 bits, as llama.cpp’s CPU kernels do
          </label>
        </div>
      )}
      <Start problem={problem} label="Run" start={() => settings && void ask('evaluate', { settings })} />
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
      {form.variant === variants.planFile && (
        <PathField
          label="Plan file"
          kind="plan"
          path={form.planFile}
          onChange={(planFile) => change({ planFile })}
        />
      )}
      {form.variant === variants.recipeFile && (
        <PathField
          label="Recipe file"
          kind="recipe"
          path={form.recipeFile}
          onChange={(recipeFile) => change({ recipeFile })}
        />
      )}
      {takesImportance(form) && (
        <PathField
          label="Importance matrix"
          flag="The quantizer weights errors with it; some types require it"
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
      label="Pairs"
      flag='One JSON object per line: {"query": "…", "document": "…"}. Both are embedded, and each query is compared with every document of the file'
      kind="pairs"
      path={form.pairs}
      none="none (queries and their documents, as JSON lines)"
      onChange={(pairs) => change({ pairs })}
    />
  );
}

/** What the model is run over. */
function Texts({ form, change }: FormProps) {
  return (
    <>
      <PathField
        label="Text"
        flag="UTF-8 text whose tokens are scored"
        kind="text"
        path={form.text}
        none="one that the model was not trained on, such as wiki.test.raw"
        onChange={(text) => change({ text })}
      />
      <PathField
        label="Questions"
        flag='Multiple choice, one JSON object per line: {"question": "…", "choices": ["…", "…"], "answer": 0}; the answer is the index of a choice, its text or its letter'
        kind="tasks"
        path={form.tasks}
        none="none (multiple choice, as JSON lines)"
        onChange={(tasks) => change({ tasks })}
      />
      <PathField
        label="Base"
        flag="The model whose distributions the KL divergence is measured from"
        kind="model"
        path={form.against}
        none={isQuantizing(form) ? 'this model, unmodified' : 'none, so no KL divergence'}
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
        chosen && chosen.evidence !== 'none' ? `the recipe needs ${evidenceWords[chosen.evidence]}` : 'none'
      }
      onChange={(calibrationText) => change({ calibrationText })}
    />
  );
}

const conventions = [
  { name: 'llama.cpp', label: 'as llama.cpp' },
  { name: 'sliding', label: 'sliding' },
] as const;
const conventionHelp = [
  'as in llama.cpp: adjacent windows; the second half of each is scored, so that every token has context',
  'sliding: windows begin a stride apart; every token of the text is scored once',
].join('\n');

const numbers = {
  context: {
    label: 'Context',
    flag: 'Tokens per window: 512, or the model’s context length where that is less',
    name: 'Tokens per window',
    placeholder: '512',
  },
  windows: {
    label: 'At most',
    flag: 'Only the first windows of the text; fewer are faster, and the standard error is larger',
    name: 'Maximum windows',
    placeholder: 'all windows',
  },
  stride: {
    label: 'Stride',
    flag: 'Tokens from one window’s start to the next',
    name: 'Stride',
    placeholder: 'the context',
  },
} as const;

/** How the text is cut. */
function Windows({ form, change }: FormProps) {
  const isSliding = form.convention === 'sliding';
  const field = (key: keyof typeof numbers, disabled = false) => (
    <TextSetting
      {...numbers[key]}
      value={form[key]}
      placeholder={disabled ? 'for sliding windows only' : numbers[key].placeholder}
      disabled={disabled}
      onChange={(value) => change({ [key]: value })}
    />
  );
  return (
    <>
      <Choice
        label="Windows"
        flag={conventionHelp}
        name="Convention of the windows"
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
  { name: 'auto', label: 'automatic' },
  { name: 'whole', label: 'whole model' },
  { name: 'streamed', label: 'block by block' },
] as const;
const devices = [
  { name: 'auto', label: 'automatic' },
  { name: 'cuda', label: 'CUDA' },
  { name: 'webgpu', label: 'WebGPU' },
  { name: 'cpu', label: 'CPU' },
] as const;

/** Memory and device, which both modes of the tab share. */
export function Machine({ form, change }: FormProps) {
  return (
    <>
      <Choice
        label="Memory"
        flag="Block by block needs the memory of one block; automatic keeps the whole model when it fits"
        name="Memory"
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
      label="Device"
      flag="The device that runs the model"
      name="Device"
      options={devices}
      value={form.device === 'ort-cpu' ? 'cpu' : form.device}
      onChange={(device) => change({ device })}
    />
  );
}
