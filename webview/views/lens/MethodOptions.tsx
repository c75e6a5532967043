import * as l10n from '@vscode/l10n';
import type { MethodDescription } from '../../../src/protocol/recipe';
import { Button } from '../../controls';
import type { MethodSettings } from '../../useMethodOptions';
import { OptionFields } from '../OptionFields';

/** The options of the method that is opened; all its results follow them. */
export function MethodOptions(props: { methods: readonly MethodDescription[]; settings: MethodSettings }) {
  const { texts, change, problems, opened, open } = props.settings;
  const method = props.methods.find(({ id }) => id === opened);
  if (!method) return null;
  const { id, label } = method;
  const problem = problems[id];
  return (
    <section class="method-options" aria-label={l10n.t('Options of {0}', label)}>
      <h3>{l10n.t('Options of {0}', label)}</h3>
      <div class="options">
        <OptionFields method={method} texts={texts[id] ?? {}} change={(changed) => change(id, changed)} />
        <div class="start">
          <span class="failed" role="status">
            {problem}
          </span>
          <Button disabled={changedCount(texts[id]) === 0} onClick={() => change(id, {})}>
            {l10n.t('Use Defaults')}
          </Button>
          <Button onClick={() => open(undefined)}>{l10n.t('Close')}</Button>
        </div>
      </div>
    </section>
  );
}

/** Options that are not left at their defaults. */
export const changedCount = (texts: MethodSettings['texts'][string] = {}): number =>
  Object.values(texts).filter((text) => text.trim() !== '').length;
