import * as l10n from '@vscode/l10n';
import { heatColor } from '../../../../src/protocol/heatScale';
import { useColors } from '../../../charts/plot';
import { number } from '../../../format';
import { placeOf, quoted, visibleText } from './divergenceScale';

/** A token of an answer, as far as it is known while the answer is written. */
export interface SeenToken {
  readonly text: string;
  readonly divergence: number;
  /** What the other model would have said. */
  readonly instead?: string;
}

/**
 * An answer, token by token: the bar below a token is its divergence, a frame says that the other model chooses another one. Arrow keys move
 * through the tokens.
 * @param props.selected index of the token whose details are shown.
 */
export function Answer(props: {
  title: string;
  tokens: readonly SeenToken[];
  note: string;
  selected: number | undefined;
  onSelect: (token: number) => void;
}) {
  const { title, tokens, note, selected, onSelect } = props;
  const { isDark } = useColors();
  const onKey = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = {
      ...{ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 },
      ...{ Home: -tokens.length, End: tokens.length },
    };
    const step = steps[event.key];
    if (step === undefined || tokens.length === 0) return;
    event.preventDefault();
    const next = Math.min(tokens.length - 1, Math.max(0, (selected ?? -1) + step));
    onSelect(next);
    const list = event.currentTarget as HTMLElement;
    list.querySelector<HTMLElement>(`[data-token="${next}"]`)?.focus();
  };
  return (
    <section class="answer" aria-label={title}>
      <h4>{title}</h4>
      <div class="answer-tokens" role="listbox" aria-label={l10n.t('Tokens of {0}', title)} onKeyDown={onKey}>
        {tokens.map(({ text, divergence, instead }, i) => (
          <span
            key={i}
            role="option"
            data-token={i}
            aria-selected={i === selected}
            aria-label={`${quoted(text)}, ${titleOf(divergence, instead)}`}
            tabIndex={i === (selected ?? 0) ? 0 : -1}
            class={`token${instead === undefined ? '' : ' differs'}${i === selected ? ' on' : ''}`}
            style={{ '--divergence': heatColor(placeOf(divergence), isDark) }}
            title={titleOf(divergence, instead)}
            onClick={() => onSelect(i)}
          >
            {visibleText(text)}
          </span>
        ))}
      </div>
      <p class="muted">{note}</p>
    </section>
  );
}

const titleOf = (divergence: number, instead: string | undefined): string => {
  const figure = l10n.t('KLD {0} nats', number(divergence));
  return instead === undefined ? figure : l10n.t('{0}; the other model says {1}', figure, quoted(instead));
};
