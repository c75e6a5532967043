import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { RecipeChoices } from '../../../src/protocol/quantizeModel';
import type { WebviewRequests } from '../../../src/protocol/webview';
import { useApp } from '../../context';
import { Button } from '../../controls';
import { useJob } from '../../useJob';
import { useRecipeChoices } from '../../useRecipeChoices';
import { Choice, PathField, TextSetting } from '../fields';
import { Going } from '../Going';
import { presetOf } from './form';
import { PreviewBlocks } from './PreviewBlocks';
import { CalibrationText } from './Setup';
import type { FormProps } from './useEvaluation';

type Params = WebviewRequests['previewRecipe']['params'];

/**
 * Fake quantization: the forward pass with weights, and inputs where the recipe has that, as they would be rounded. It shows block by block
 * and at the output what a training that is aware of quantization would have to absorb.
 */
export function Preview({ form, change }: FormProps) {
  const { host } = useApp();
  const { run, start, cancel } = useJob('preview', (params: Params, options) =>
    host.call('previewRecipe', params, options),
  );
  const { isRunning = false, progress, result, failure } = run ?? {};
  const { choices, problem } = useRecipeChoices();
  const settings = usePreviewSettings(form, run?.params.settings);
  return (
    <>
      <Settings {...{ form, change, choices, settings, isRunning }} start={start} />
      {[problem, failure].map(
        (message) =>
          message !== undefined && (
            <p key={message} class="notice error" role="alert">
              {message}
            </p>
          ),
      )}
      {isRunning && <Going title={l10n.t('Preview')} progress={progress} cancel={cancel} />}
      {result && <PreviewBlocks result={result} />}
      {!run && (
        <p class="muted">
          {l10n.t(
            'Runs the model over the text as the recipe would leave it, and says how much each block and the output differ from the original. Nothing is written.',
          )}
        </p>
      )}
    </>
  );
}

/** What is typed and chosen, at first as in the last preview. */
function usePreviewSettings(form: FormProps['form'], last: Params['settings'] | undefined) {
  const [recipe, setRecipe] = useState(last?.recipe.recipe ?? 'w8a8');
  const [text, setText] = useState(last?.text ?? form.text);
  const [windows, setWindows] = useState(last?.windows?.toString() ?? '');
  const count = Number(windows);
  const isValid = windows.trim() === '' || (Number.isSafeInteger(count) && count > 0);
  return {
    ...{ recipe, setRecipe, text, setText, windows, setWindows, isValid },
    settings: {
      recipe: presetOf(recipe, form),
      ...{ text, ...(windows.trim() === '' ? {} : { windows: count }) },
    },
  };
}

function Settings(
  props: FormProps & {
    choices: RecipeChoices | undefined;
    settings: ReturnType<typeof usePreviewSettings>;
    isRunning: boolean;
    start: (params: Params) => void;
  },
) {
  const { form, change, choices, isRunning, start } = props;
  const { recipe, setRecipe, text, setText, windows, setWindows, isValid, settings } = props.settings;
  const recipes = (choices?.recipes ?? [])
    .filter((item) => item.recipe.target === 'checkpoint')
    .map(({ recipe: { id, label } }) => ({ name: id, label: `${id} – ${label}` }));
  return (
    <div class="options" role="group" aria-label={l10n.t('Settings of the preview')}>
      <Choice
        label={l10n.t('Recipe')}
        name={l10n.t('Recipe of the preview')}
        options={recipes}
        value={recipe}
        onChange={setRecipe}
      />
      <TextSetting
        label={l10n.t('At most')}
        flag={l10n.t('Windows of the text')}
        name={l10n.t('Windows of the preview')}
        value={windows}
        placeholder={l10n.t('8 windows')}
        onChange={setWindows}
      />
      <CalibrationText form={form} change={change} recipe={recipe} />
      <PathField
        label={l10n.t('Text')}
        flag={l10n.t('UTF-8 text that both models are run over')}
        kind="text"
        path={text}
        onChange={setText}
      />
      <div class="start">
        <span class="muted" role="status">
          {text === ''
            ? l10n.t('Choose a text.')
            : isValid
              ? ''
              : l10n.t('“{0}” is not a number of windows.', windows)}
        </span>
        <Button primary disabled={text === '' || !isValid || isRunning} onClick={() => start({ settings })}>
          {l10n.t('Preview')}
        </Button>
      </div>
    </div>
  );
}
