import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { ChatMessage, ChatSide } from '../../../../src/protocol/chat';
import type { WebviewRequests } from '../../../../src/protocol/webview';
import { useApp } from '../../../context';
import { checked } from '../../../formValues';
import { useJob } from '../../../useJob';
import { usePersistent, usePersistentForm } from '../../../usePersistent';
import { Going } from '../../Going';
import { Failed } from '../../states';
import { Answers } from './Answers';
import { ChatSettings } from './ChatSettings';
import { chatSettings, freshForm, turnsBefore } from './form';
import { Prompt } from './Prompt';

type Params = WebviewRequests['chat']['params'];

/** The model and a variant of it answer side by side. @param props.against a file that suggests itself as the variant. */
export function Chat({ against }: { against: string }) {
  const { host } = useApp();
  const job = useJob('chat', (params: Params, options) => host.call('chat', params, options));
  const [form, setForm] = usePersistentForm('chat.form', freshForm(against));
  const [prompt, setPrompt] = usePersistent('chat.prompt', '');
  const [goOn, setGoOn] = usePersistent<ChatSide>('chat.goOn', 'original');
  const [isNew, setNew] = useState(false);
  const run = isNew ? undefined : job.run;
  const { isRunning = false, progress, result, failure } = run ?? {};
  const asked = run?.params.settings.messages ?? [];
  const before = turnsBefore(asked, result, goOn);
  const { value: settings, problem } = checked(() =>
    chatSettings(form, [...before, { role: 'user', content: prompt }]),
  );
  const hasFailed = run !== undefined && !isRunning && !result;
  useEffect(() => {
    // What was said is not lost with a turn that failed or was stopped.
    if (hasFailed) setPrompt((now) => (now === '' ? (asked.at(-1)?.content ?? '') : now));
  }, [hasFailed]);
  const send = (): void => {
    if (!settings || prompt === '' || isRunning) return;
    setNew(false);
    setPrompt('');
    job.start({ settings });
  };
  return (
    <div class="chat">
      <ChatSettings form={form} change={(part) => setForm((now) => ({ ...now, ...part }))} />
      <Turns turns={hasFailed ? before : asked} />
      {run && <Answers params={run.params} progress={progress?.chat} result={result} />}
      {failure !== undefined && <Failed message={failure} />}
      {isRunning && (
        <Going title={l10n.t('Answers')} progress={progress} cancel={job.cancel} label={l10n.t('Stop')} />
      )}
      <Prompt
        text={prompt}
        change={setPrompt}
        problem={problem}
        send={isRunning ? undefined : send}
        goOn={result && { side: goOn, change: setGoOn }}
        begin={run && !isRunning ? () => setNew(true) : undefined}
      />
      {!run && (
        <p class="muted">
          {l10n.t(
            'Both answer the same conversation. The bar below each token is the KL divergence of the variant from the original there, and for each token you can see which tensors moved it. Nothing is written.',
          )}
        </p>
      )}
    </div>
  );
}

const roleNames = { user: l10n.t('You'), assistant: l10n.t('Model'), system: l10n.t('System') } as const;

/** What was said so far. */
function Turns({ turns }: { turns: readonly ChatMessage[] }) {
  return (
    <>
      {turns.map(({ role, content }, i) => (
        <p key={i} class={`turn ${role}`}>
          <b>{roleNames[role]}</b> {content}
        </p>
      ))}
    </>
  );
}
