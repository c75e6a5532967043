import type { ChatEnd, ChatLine, ChatText, ChatToken } from '../../protocol/chat';
import { leastOf } from '../../protocol/extremes';

/** What ends an answer. */
export interface Endings {
  /** Tokens that end a turn or a text. */
  readonly tokens: ReadonlySet<number>;
  readonly texts: readonly string[];
  /** Most tokens, and whether these end the context. */
  readonly most: number;
  readonly isContext: boolean;
}

/** An answer token by token. */
export class Answer {
  private readonly tokens: ChatToken[] = [];
  private text = '';
  end: ChatEnd | undefined;

  constructor(private readonly endings: Endings) {}

  add(token: ChatToken): void {
    const { endings } = this;
    this.tokens.push(token);
    if (endings.tokens.has(token.id)) {
      this.end = 'token';
      return;
    }
    const before = this.text.length;
    this.text += token.text;
    const stop = firstOf(this.text, endings.texts, before);
    if (stop !== undefined) {
      this.text = this.text.slice(0, stop);
      this.end = 'stop';
    } else if (this.tokens.length >= endings.most) this.end = endings.isContext ? 'context' : 'length';
  }

  get line(): ChatLine {
    return this.tokens.map(({ text, divergence }) => [text, divergence] as const);
  }

  finish(): ChatText {
    return { text: this.text, tokens: this.tokens, end: this.end ?? 'length' };
  }
}

/** Where the first of some texts begins; earlier characters than the last `length` of a text cannot begin a new one. */
function firstOf(text: string, stops: readonly string[], before: number): number | undefined {
  const found = stops
    .map((stop) => text.indexOf(stop, Math.max(0, before - stop.length + 1)))
    .filter((at) => at >= 0);
  return found.length > 0 ? leastOf(found) : undefined;
}
