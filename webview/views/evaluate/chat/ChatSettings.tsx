import * as l10n from '@vscode/l10n';
import { PathField, TextSetting } from '../../fields';
import { Variant } from '../Variant';
import { otherFile, type ChatForm } from './form';
import { VariantFiles } from '../VariantFiles';

const first = { value: otherFile, label: l10n.t('Another file: GGUF, checkpoint…') };

/** Which variant answers beside the model, and how tokens are chosen. */
export function ChatSettings(props: { form: ChatForm; change: (part: Partial<ChatForm>) => void }) {
  const { form, change } = props;
  const number = (name: 'temperature' | 'topP' | 'seed' | 'tokens', label: string, usual: string) => (
    <TextSetting
      label={label}
      value={form[name]}
      placeholder={usual}
      onChange={(value) => change({ [name]: value })}
    />
  );
  return (
    <div class="options" role="group" aria-label={l10n.t('Settings of the conversation')}>
      <Variant
        form={form}
        change={change}
        label={l10n.t('Variant')}
        name={l10n.t('Variant that answers')}
        first={first}
      />
      {form.variant === otherFile && (
        <PathField
          label={l10n.t('File')}
          flag={l10n.t('GGUF file or checkpoint with the same vocabulary')}
          kind="model"
          path={form.other}
          onChange={(other) => change({ other })}
        />
      )}
      <VariantFiles form={form} change={change} />
      {number('temperature', l10n.t('Temperature'), l10n.t('0: the most probable token'))}
      {number('topP', l10n.t('Top-p'), l10n.t('1: all tokens'))}
      {number('seed', l10n.t('Seed'), '0')}
      {number('tokens', l10n.t('Most tokens'), '128')}
      <TextSetting
        label={l10n.t('System message')}
        value={form.system}
        placeholder={l10n.t('none')}
        wide
        onChange={(system) => change({ system })}
      />
      <TextSetting
        label={l10n.t('Stop at')}
        flag={l10n.t('A text that ends an answer')}
        value={form.stop}
        placeholder={l10n.t('the end of the turn')}
        wide
        onChange={(stop) => change({ stop })}
      />
    </div>
  );
}
