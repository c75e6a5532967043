import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import type { EngineProgress } from '../../src/protocol/engine';
import { duration } from '../../src/protocol/words';
import { Button, Spinner } from '../controls';
import { percentDone } from '../format';

/**
 * A run in progress: how far it is, the time left, what it does now, and its end on request.
 * @param props.title names the run for screen readers.
 * @param props.progress undefined until the model is open.
 * @param props.children what is known besides the message of the progress.
 */
export function Going(props: {
  title: string;
  progress: EngineProgress | undefined;
  cancel: () => void;
  /** Of the button that ends it, and what that does; "Cancel" where it is absent. */
  label?: string;
  hint?: string;
  disabled?: boolean;
  children?: ComponentChildren;
}) {
  const { title, progress, cancel, label = l10n.t('Cancel'), hint = '', disabled = false, children } = props;
  const { done = 0, total = 0, secondsLeft, message = l10n.t('Opening the model…') } = progress ?? {};
  const left = secondsLeft === undefined ? undefined : l10n.t('{0} left', duration(secondsLeft));
  const percent = `${percentDone({ done, total })} %`;
  return (
    <div class="going">
      <progress
        value={done}
        max={total || 1}
        aria-label={title}
        aria-valuetext={[percent, left].filter(Boolean).join(', ')}
      />
      <span class="step">{total > 0 ? percent : <Spinner />}</span>
      {left !== undefined && <span class="left">{left}</span>}
      <span class="muted ellipsis now" title={message}>
        {message}
        {children}
      </span>
      <Button title={hint} disabled={disabled} onClick={cancel}>
        {label}
      </Button>
    </div>
  );
}
