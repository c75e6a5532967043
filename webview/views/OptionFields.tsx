import * as l10n from '@vscode/l10n';
import type { MethodDescription, OptionDescription } from '../../src/protocol/recipe';
import type { OptionTexts } from '../methodOptions';
import { Choice, TextSetting } from './fields';

/** The options of a method, as labels and controls of the enclosing grid; empty ones are the defaults. */
export function OptionFields(props: {
  method: MethodDescription;
  texts: OptionTexts;
  change: (texts: OptionTexts) => void;
}) {
  const { method, texts, change } = props;
  return (
    <>
      {method.options.map((option) => (
        <OptionField
          key={option.name}
          option={option}
          value={texts[option.name] ?? ''}
          onChange={(value) => change({ ...texts, [option.name]: value })}
        />
      ))}
    </>
  );
}

function OptionField(props: { option: OptionDescription; value: string; onChange: (value: string) => void }) {
  const { option, ...field } = props;
  const { name, description } = option;
  const none = l10n.t('{0} (default)', option.default);
  if (option.type === 'number')
    return <TextSetting label={name} flag={description} placeholder={none} {...field} />;
  const choices = option.type === 'boolean' ? ['true', 'false'] : option.choices;
  return <Choice label={name} flag={description} options={withNone(none, choices)} {...field} />;
}

/** Choices after an empty one. */
export const withNone = (none: string, choices: readonly string[], labelOf = (choice: string) => choice) => [
  { name: '', label: none },
  ...choices.map((name) => ({ name, label: labelOf(name) })),
];
