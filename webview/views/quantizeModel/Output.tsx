import * as l10n from '@vscode/l10n';
import type { QuantizePreview } from '../../../src/protocol/quantizeModel';
import type { ResolvedOutput } from '../../../src/protocol/quantizationView';
import { useApp, useAppState, useAsk } from '../../context';
import { Button, TextField } from '../../controls';
import { useAnswer } from '../../useAnswer';
import { Field } from '../fields';
import type { FormProps } from './form';

/** Where the result goes, and whether it can be written there; undefined until that is known. */
export interface Output {
  readonly resolved?: ResolvedOutput;
  readonly failure?: string;
}

/** @param out as it is typed. */
export function useOutput(preview: QuantizePreview | undefined, out: string): Output {
  const { host } = useApp();
  const { quantization, revision } = useAppState();
  const { id, target } = preview?.recipe ?? {};
  const run = [quantization?.run, quantization?.outcome?.kind];
  const { value, failure, isLoading } = useAnswer(
    preview && JSON.stringify([id, target, out, run, revision]),
    (signal) => host.call('resolveOutput', { ...nameOf(preview!), path: out }, { signal }),
  );
  return {
    ...(value && !isLoading ? { resolved: value } : {}),
    ...(failure === undefined ? {} : { failure }),
  };
}

const nameOf = ({ recipe: { id, target } }: QuantizePreview) => ({ recipe: id, target });

/** The folder or file of the result, as it is typed or browsed for, and what is wrong with it. */
export function OutputField(props: FormProps & { preview: QuantizePreview; output: Output }) {
  const { form, change, preview, output } = props;
  const { resolved, failure = resolved?.problem } = output;
  const ask = useAsk();
  const label = preview.recipe.target === 'gguf' ? l10n.t('Output file') : l10n.t('Output folder');
  const browse = async (): Promise<void> => {
    const chosen = await ask('chooseOutput', nameOf(preview));
    if (chosen) change({ out: chosen.path });
  };
  return (
    <div class="options output">
      <Field
        label={label}
        flag={l10n.t('A path that is not absolute begins beside the folder of the model')}
        wide
      >
        <TextField
          value={form.out}
          label={label}
          placeholder={resolved?.path ?? ''}
          title={resolved?.path ?? ''}
          onInput={(out) => change({ out })}
          width="100%"
        />
        <Button name={l10n.t('Browse… ({0})', label)} onClick={() => void browse()}>
          {l10n.t('Browse…')}
        </Button>
        {form.out !== '' && (
          <button
            class="link"
            aria-label={l10n.t('Suggested: {0}', label)}
            onClick={() => change({ out: '' })}
          >
            {l10n.t('Suggested')}
          </button>
        )}
      </Field>
      {failure !== undefined && (
        <p class="failed" role="alert">
          {failure}
        </p>
      )}
      {resolved?.replaces && (
        <p class="muted">{l10n.t('It exists, and is replaced once you have confirmed that.')}</p>
      )}
    </div>
  );
}
