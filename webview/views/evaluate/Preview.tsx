import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { PreviewResult } from '../../../src/protocol/preview';
import type { WebviewRequests } from '../../../src/protocol/webview';
import { plural } from '../../../src/protocol/words';
import { BlockErrorChart } from '../../charts/BlockErrorChart';
import { useApp } from '../../context';
import { Button } from '../../controls';
import { decibels, number, percent } from '../../format';
import { useJob } from '../../useJob';
import { useRecipeChoices } from '../../useRecipeChoices';
import { Choice, PathField, TextSetting } from '../fields';
import { Figure } from '../Figure';
import { Going } from '../Going';
import { presetOf } from './form';
import { CalibrationText } from './Setup';
import type { FormProps } from './useEvaluation';

/**
 * Fake quantization: the forward pass with weights, and inputs where the recipe has that, as they would be rounded. It shows block by block
 * and at the output what a training that is aware of quantization would have to absorb.
 */
export function Preview({ form, change }: FormProps) {
  const { choices, problem } = useRecipeChoices();
  const { host } = useApp();
  const { run, start, cancel } = useJob(
    'preview',
    (params: WebviewRequests['previewRecipe']['params'], options) =>
      host.call('previewRecipe', params, options),
  );
  const { isRunning = false, progress, result, failure } = run ?? {};
  const last = run?.params.settings;
  const [recipe, setRecipe] = useState(last?.recipe.recipe ?? 'w8a8');
  const [text, setText] = useState(last?.text ?? form.text);
  const [windows, setWindows] = useState(last?.windows?.toString() ?? '');
  const count = Number(windows);
  const isValid = windows.trim() === '' || (Number.isSafeInteger(count) && count > 0);
  const settings = {
    recipe: presetOf(recipe, form),
    ...{ text, ...(windows.trim() === '' ? {} : { windows: count }) },
  };
  const recipes = (choices?.recipes ?? [])
    .filter((item) => item.recipe.target === 'checkpoint')
    .map(({ recipe: { id, label } }) => ({ name: id, label: `${id} – ${label}` }));
  return (
    <>
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
      {[problem, failure].map(
        (message) =>
          message !== undefined && (
            <p key={message} class="notice error" role="alert">
              {message}
            </p>
          ),
      )}
      {isRunning && <Going title={l10n.t('Preview')} progress={progress} cancel={cancel} />}
      {result && <Blocks result={result} />}
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

/** The error of each block, of its own and accumulated, and what reaches the output. */
function Blocks({ result }: { result: PreviewResult }) {
  const { variant, tokens, blocks, output, divergence, sameTopToken } = result;
  const { perplexity, originalPerplexity } = result;
  return (
    <section class="run preview" aria-label={l10n.t('Errors by block')}>
      <h3>{l10n.t('{0}, over {1}', variant, plural(tokens, 'token'))}</h3>
      <dl class="totals">
        <Figure name={l10n.t('error at the output')} value={percent(Math.sqrt(output))} />
        <Figure name={l10n.t('SQNR at the output')} value={decibels(output, 2)} />
        <Figure
          name={l10n.t('mean KLD')}
          value={`${number(divergence.value, 4)} ± ${number(divergence.standardError, 2)}`}
        />
        <Figure name={l10n.t('perplexity')} value={number(perplexity.value)} />
        <Figure name={l10n.t('perplexity of the original')} value={number(originalPerplexity.value)} />
        <Figure name={l10n.t('same top token')} value={percent(sameTopToken.value)} />
      </dl>
      <BlockErrorChart blocks={blocks} />
      <div class="wide-table" tabIndex={0} role="region" aria-label={l10n.t('Errors by block')}>
        <table class="blocks">
          <thead>
            <tr>
              <th scope="col">{l10n.t('Block')}</th>
              <th scope="col" title={l10n.t('The block alone is quantized')}>
                {l10n.t('This block alone')}
              </th>
              <th scope="col">{l10n.t('SQNR')}</th>
              <th scope="col" title={l10n.t('All blocks up to this one are quantized')}>
                {l10n.t('All up to it')}
              </th>
              <th scope="col">{l10n.t('SQNR')}</th>
            </tr>
          </thead>
          <tbody>
            {blocks.map(({ block, own, accumulated }) => (
              <tr key={block}>
                <th scope="row">{block}</th>
                <td>{percent(Math.sqrt(own))}</td>
                <td>{decibels(own, 1)}</td>
                <td>{percent(Math.sqrt(accumulated))}</td>
                <td>{decibels(accumulated, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
