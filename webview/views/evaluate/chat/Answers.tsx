import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { ChatEnd, ChatProgress, ChatResult, ChatSide, ChatText } from '../../../../src/protocol/chat';
import { heatScales } from '../../../../src/protocol/heatScale';
import type { WebviewRequests } from '../../../../src/protocol/webview';
import { plural } from '../../../../src/protocol/words';
import { useColors } from '../../../charts/plot';
import { number } from '../../../format';
import { Answer, type SeenToken } from './Answer';
import { scaleEnds } from './divergenceScale';
import { TokenDetails } from './TokenDetails';

const ends: Readonly<Record<ChatEnd, string>> = {
  token: l10n.t('ended its turn'),
  stop: l10n.t('ended before a stop text'),
  length: l10n.t('ended at the most tokens'),
  context: l10n.t('ended with the context'),
};

/** The answers side by side, while they are written and afterwards, with the details of one token. */
export function Answers(props: {
  params: WebviewRequests['chat']['params'];
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
