import * as l10n from '@vscode/l10n';
import type { ChatSide } from '../../../../src/protocol/chat';
import { Button } from '../../../controls';
import { Choice } from '../../fields';

/**
 * What the user says next.
 * @param props.problem why it cannot be sent.
 * @param props.send absent while the models answer.
 * @param props.goOn with which of the last answers the conversation goes on; absent where there are none.
 * @param props.begin starts another conversation.
 */
export function Prompt(props: {
  text: string;
  change: (text: string) => void;
  problem: string | undefined;
  send: (() => void) | undefined;
  goOn: { readonly side: ChatSide; readonly change: (side: ChatSide) => void } | undefined;
  begin: (() => void) | undefined;
}) {
  const { text, change, problem, send, goOn, begin } = props;
  return (
    <form
      class="prompt"
      onSubmit={(event) => {
        event.preventDefault();
        send?.();
      }}
    >
      <textarea
        aria-label={l10n.t('What you say')}
        placeholder={l10n.t('Say something to both. Ctrl+Enter sends it.')}
        value={text}
        rows={3}
        onInput={(event) => change(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send?.();
        }}
      />
      <div class="start">
        <span class="muted" role="status">
          {problem ?? ''}
        </span>
        {goOn && <GoOn {...goOn} />}
        {begin && <Button onClick={begin}>{l10n.t('New conversation')}</Button>}
        <Button primary disabled={problem !== undefined || text === '' || !send} onClick={() => send?.()}>
          {l10n.t('Send')}
        </Button>
      </div>
    </form>
  );
}

function GoOn({ side, change }: { side: ChatSide; change: (side: ChatSide) => void }) {
  return (
    <Choice
      label={l10n.t('Go on with')}
      name={l10n.t('Answer that the conversation goes on with')}
      options={[
        { name: 'original', label: l10n.t('the answer of the original') },
        { name: 'variant', label: l10n.t('the answer of the variant') },
      ]}
      value={side}
      onChange={change}
    />
  );
}
