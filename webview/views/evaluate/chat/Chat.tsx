import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { ChatEnd, ChatProgress, ChatResult, ChatSide, ChatText } from '../../../../src/protocol/chat';
import { heatScales } from '../../../../src/protocol/heatScale';
import type { WebviewRequests } from '../../../../src/protocol/webview';
import { plural } from '../../../../src/protocol/words';
import { useColors } from '../../../charts/plot';
import { useApp } from '../../../context';
import { Button } from '../../../controls';
import { checked } from '../../../formValues';
import { number } from '../../../format';
import { useJob } from '../../../useJob';
import { usePersistent, usePersistentForm } from '../../../usePersistent';
import { Choice } from '../../fields';
import { Going } from '../../Going';
import { Failed } from '../../states';
import { Answer, type SeenToken } from './Answer';
import { ChatSettings } from './ChatSettings';
import { scaleEnds } from './divergenceScale';
import { chatSettings, freshForm, turnsBefore } from './form';
import { TokenDetails } from './TokenDetails';

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
  const send = (): void => {
    if (!settings || prompt === '' || isRunning) return;
    setNew(false);
    setPrompt('');
    job.start({ settings });
  };
  return (
    <div class="chat">
      <ChatSettings form={form} change={(part) => setForm((now) => ({ ...now, ...part }))} />
      {asked.map(({ role, content }, i) => (
        <p key={i} class={`turn ${role}`}>
          <b>{roleNames[role]}</b> {content}
        </p>
      ))}
      {run && <Answers params={run.params} progress={progress?.chat} result={result} />}
      {failure !== undefined && <Failed message={failure} />}
      {isRunning && (
        <Going title={l10n.t('Answers')} progress={progress} cancel={job.cancel} label={l10n.t('Stop')} />
      )}
      <form
        class="prompt"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <textarea
          aria-label={l10n.t('What you say')}
          placeholder={l10n.t('Say something to both. Ctrl+Enter sends it.')}
          value={prompt}
          rows={3}
          onInput={(event) => setPrompt(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) send();
          }}
        />
        <div class="start">
          <span class="muted" role="status">
            {problem ?? ''}
          </span>
          {result && (
            <Choice
              label={l10n.t('Go on with')}
              name={l10n.t('Answer that the conversation goes on with')}
              options={[
                { name: 'original', label: l10n.t('the answer of the original') },
                { name: 'variant', label: l10n.t('the answer of the variant') },
              ]}
              value={goOn}
              onChange={setGoOn}
            />
          )}
          {run && !isRunning && <Button onClick={() => setNew(true)}>{l10n.t('New conversation')}</Button>}
          <Button primary disabled={!settings || prompt === '' || isRunning} onClick={send}>
            {l10n.t('Send')}
          </Button>
        </div>
      </form>
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

const ends: Readonly<Record<ChatEnd, string>> = {
  token: l10n.t('ended its turn'),
  stop: l10n.t('ended before a stop text'),
  length: l10n.t('ended at the most tokens'),
  context: l10n.t('ended with the context'),
};

/** The answers side by side, while they are written and afterwards, with the details of one token. */
function Answers(props: {
  params: Params;
  progress: ChatProgress | undefined;
  result: ChatResult | undefined;
}) {
  const { params, progress, result } = props;
  const [selected, select] = useState<{ readonly side: ChatSide; readonly at: number }>();
  useEffect(() => select(undefined), [params]); // it was one of other answers
  const { variant } = params.settings;
  const label = result?.label ?? l10n.t('Variant');
  const tokensOf = (side: ChatSide): readonly SeenToken[] =>
    result?.[side].tokens ?? (progress?.[side] ?? []).map(([text, divergence]) => ({ text, divergence }));
  const chosen = selected && result?.[selected.side].tokens[selected.at];
  return (
    <>
      {result?.hasTemplate === false && (
        <p class="notice">{l10n.t('The model has no chat template: both go on with the text.')}</p>
      )}
      <Legend />
      <div class="answers">
        {(['original', 'variant'] as const).map((side) => (
          <Answer
            key={side}
            title={side === 'original' ? l10n.t('Original') : label}
            tokens={tokensOf(side)}
            note={result ? noteOf(result[side]) : ''}
            selected={selected?.side === side ? selected.at : undefined}
            onSelect={(at) => select({ side, at })}
          />
        ))}
      </div>
      {result && selected && chosen && (
        <TokenDetails
          token={chosen}
          {...{ label, variant }}
          before={[
            ...result.prompt,
            ...result[selected.side].tokens.slice(0, selected.at).map(({ id }) => id),
          ]}
        />
      )}
      {result && !chosen && (
        <p class="muted">{l10n.t('Choose a token to see what both models say of it.')}</p>
      )}
    </>
  );
}

function noteOf({ tokens, end }: ChatText): string {
  const mean = tokens.reduce((sum, { divergence }) => sum + divergence, 0) / Math.max(1, tokens.length);
  return l10n.t('{0}, mean KLD {1} nats; {2}', plural(tokens.length, 'token'), number(mean), ends[end]);
}

/** What the bars and frames mean. */
function Legend() {
  const { isDark } = useColors();
  const ramp = heatScales[isDark ? 'dark' : 'light'].join(', ');
  return (
    <p class="chat-legend muted">
      {l10n.t('KLD {0}', scaleEnds.least)}{' '}
      <i class="ramp" style={{ background: `linear-gradient(to right, ${ramp})` }} />{' '}
      {l10n.t('{0} nat', scaleEnds.most)} <span class="token differs">{l10n.t('framed')}</span>{' '}
      {l10n.t('the other model says something else')}
    </p>
  );
}
