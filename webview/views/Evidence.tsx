import * as l10n from '@vscode/l10n';
import { mixed } from '../mixed';
import { measuredWithText, type MeasuredWith } from '../../src/protocol/measuredWith';
import { rungLabel, rungText, type Rung, type RungDetails } from '../../src/protocol/rungs';

/** The rung of evidence that figures stand on, to label them. */
export function RungMark({ rung, of }: { rung: Rung; of?: RungDetails }) {
  return (
    <span class="rung" title={l10n.t('Evidence: {0}', rungText(rung, of))}>
      {rungLabel(rung)}
    </span>
  );
}

/** The same as a line, with what the figures were measured with: codes and their objective, importance, gains. */
export function Evidence({ rung, of }: { rung: Rung; of: RungDetails & MeasuredWith }) {
  const used = measuredWithText(of);
  return (
    <p class="muted caption rung-line">
      {mixed(l10n.t('Evidence: {0}'), <RungMark rung={rung} of={of} />)}
      {used !== '' && ` ${used}`}
    </p>
  );
}
