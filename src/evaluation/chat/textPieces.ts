import type { TextTokenizer } from '../tokenizer/textTokenizer';

/** Tokens before one that its text is decoded with: a character has at most four bytes, each of which may be a token. */
const context = 8;

/** The texts of tokens that follow each other. A character of several tokens belongs to the last of them. */
export class TextPieces {
  private readonly ids: number[];

  /** @param before tokens before the text. */
  constructor(
    private readonly tokenizer: Pick<TextTokenizer, 'decode'>,
    before: ArrayLike<number>,
  ) {
    this.ids = Array.from(before).slice(-context);
  }

  /** What a token would add to the text. */
  peek(token: number): string {
    const { tokenizer, ids } = this;
    const start = complete(tokenizer.decode(ids));
    const whole = complete(tokenizer.decode([...ids, token]));
    return whole.startsWith(start) ? whole.slice(start.length) : tokenizer.decode([token]);
  }

  add(token: number): string {
    const piece = this.peek(token);
    this.ids.push(token);
    if (this.ids.length > context) this.ids.shift();
    return piece;
  }
}

/** Bytes at the end that are no whole character yet are left out. */
const complete = (text: string): string => text.replace(/\uFFFD+$/, '');
