import * as l10n from '@vscode/l10n';
import { identityLines, type ModelIdentity } from '../../../src/protocol/overview';
import { Loading } from '../../controls';
import { nameText } from '../../format';
import type { Answer } from '../../useAnswer';
import { Failed } from '../states';

/** What the model is, in numbers. */
export function Identity({ overview: { value, failure, isLoading } }: { overview: Answer<ModelIdentity> }) {
  return (
    <section class="card wide" aria-labelledby="model-identity">
      <h3 id="model-identity">{l10n.t('Identity')}</h3>
      {value && (
        <dl class="identity">
          {identityLines(value).map(({ label, text, hint }) => (
            <div key={label} title={hint}>
              <dt>{label}</dt>
              <dd>{nameText(text)}</dd>
            </div>
          ))}
        </dl>
      )}
      {isLoading && !value && <Loading>{l10n.t('Reading what the model says of itself…')}</Loading>}
      {failure !== undefined && <Failed message={failure} />}
    </section>
  );
}
