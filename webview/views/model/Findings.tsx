import * as l10n from '@vscode/l10n';
import { plural } from '../../../src/protocol/words';
import { useMemo } from 'preact/hooks';
import type { ModelDescription } from '../../../src/protocol/model';
import type { TensorTable } from '../../../src/protocol/tensorTable';
import { useApp, useAppState } from '../../context';
import { nameText } from '../../format';
import { findingsOf, type FindingLink } from '../../../src/protocol/findings';
import { LongText } from '../LongText';

/** What is odd about the model, each with what helps. */
export function Findings({ model, table }: { model: ModelDescription; table: TensorTable }) {
  const { store } = useApp();
  const { limits } = useAppState();
  const findings = useMemo(() => findingsOf(model, table, limits), [model, table, limits]);
  const follow = (link: FindingLink): void => {
    if ('tab' in link) return store.openTab(link.tab);
    store.select([link.tensor]);
    store.update({ tab: 'tensor' });
  };
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  return (
    <section class="card wide findings" aria-labelledby="model-findings">
      <h3 id="model-findings">
        {l10n.t('Findings')}
        {findings.length > 0 && <span class="muted">{countText(warnings, findings.length - warnings)}</span>}
      </h3>
      {limits && findings.length === 0 && (
        <p class="muted">{l10n.t('Headers and configuration show nothing odd.')}</p>
      )}
      {findings.map(({ level, text, link }) => (
        <div key={text} class={`notice ${level} with-action`}>
          <span>
            <LongText text={nameText(text)} />
          </span>
          {link && (
            <button class="link" onClick={() => follow(link)}>
              {link.label}
            </button>
          )}
        </div>
      ))}
    </section>
  );
}

const countText = (warnings: number, notes: number): string =>
  [warnings === 0 ? '' : plural(warnings, 'warning'), notes === 0 ? '' : plural(notes, 'note')]
    .filter(Boolean)
    .join(', ');
