import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import { Button } from '../controls';
import { LongText } from './LongText';

/**
 * What went wrong, and one button that helps.
 * @param props.retry does it again; without it there is no button.
 * @param props.children what failed, before the message.
 */
export function Failed(props: { message: string; retry?: () => void; children?: ComponentChildren }) {
  const { message, retry, children } = props;
  const words = (
    <>
      {children} <LongText text={message} />
    </>
  );
  if (!retry)
    return (
      <p class="notice error" role="alert">
        {words}
      </p>
    );
  return (
    <div class="notice error with-action" role="alert">
      <span>{words}</span>
      <Button onClick={retry}>{l10n.t('Retry')}</Button>
    </div>
  );
}
