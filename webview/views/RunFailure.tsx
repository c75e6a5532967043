import * as l10n from '@vscode/l10n';
import { mixed } from '../mixed';
import type { RunFailure as Failure } from '../../src/protocol/runFailure';
import { Button } from '../controls';
import { Failed } from './states';

/**
 * How a run ended that has no result.
 * @param props.cancelled what is said of a cancelled one.
 * @param props.left what a run leaves whose process ended, as the rest of that sentence: "; nothing was written".
 * @param props.repeat runs it again in a new process.
 */
export function RunFailure(props: {
  failure: Failure;
  cancelled: string;
  left?: string;
  repeat: () => void;
}) {
  const { failure, cancelled, left = '', repeat } = props;
  switch (failure.kind) {
    case 'cancelled':
      return (
        <p class="muted" role="status">
          {cancelled}
        </p>
      );
    case 'failed':
      return <Failed message={failure.message} />;
    case 'engine-died':
      return (
        <div class="notice error with-action" role="alert">
          <span>
            {mixed(
              l10n.t('The engine process ended before the run did{0}. {1}'),
              left,
              <span class="muted">{failure.message}</span>,
            )}
          </span>
          <Button primary onClick={repeat}>
            {l10n.t('Restart and Run Again')}
          </Button>
        </div>
      );
  }
}
