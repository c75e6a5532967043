import * as l10n from '@vscode/l10n';
import { mixed } from '../mixed';
import { Spinner } from '../controls';

/** A dry run that takes long enough to be noticed: with tens of thousands of tensors, or on a busy machine. */
export function DryRunning() {
  return (
    <p class="dry-running muted" role="status">
      {mixed(l10n.t('{0} Planning each tensor…'), <Spinner />)}
    </p>
  );
}
