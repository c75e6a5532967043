import type { Decoder } from '../../graph/transformer/decoder';
import { Generation, stepsOfTokens } from '../../graph/transformer/generation';
import type { PassOptions } from '../../graph/transformer/pass';
import type { ChatSide } from '../../protocol/chat';
import type { LogitPair } from './compareLogits';

/** Two models of one vocabulary, ready to run. */
export type PairedDecoders = Readonly<Record<ChatSide, Decoder>>;

/** A text that both models have read, with what they say of its next token. */
export class PairedText {
  private constructor(
    /** Ids. */
    readonly tokens: readonly number[],
    private readonly generations: Readonly<Record<ChatSide, Generation>>,
    private readonly last: LogitPair | undefined,
  ) {}

  /** @param positions most tokens that the text will have. */
  static empty({ original, variant }: PairedDecoders, positions: number): PairedText {
    const generations = {
      original: new Generation(original, positions),
      variant: new Generation(variant, positions),
    };
    return new PairedText([], generations, undefined);
  }

  /** Logits of what follows; the text has at least one token. */
  get logits(): LogitPair {
    return this.last!;
  }

  /** Whether `upTo` gives all that the text begins with. */
  get canBeCut(): boolean {
    return this.generations.original.canBeCut && this.generations.variant.canBeCut;
  }

  /** The text with more tokens, at least one; this one stays as it is. @throws QuantscopeError CANCELLED. */
  async with(tokens: Int32Array, pass: PassOptions = {}): Promise<PairedText> {
    const original = this.generations.original.fork();
    const variant = this.generations.variant.fork();
    const logits = {
      original: await original.next(tokens, pass),
      variant: await variant.next(tokens, pass),
    };
    return new PairedText([...this.tokens, ...tokens], { original, variant }, logits);
  }

  /** What the text begins with, without logits; undefined where states cannot be cut. */
  upTo(tokens: number): PairedText | undefined {
    const original = this.generations.original.upTo(tokens);
    const variant = this.generations.variant.upTo(tokens);
    if (!original || !variant) return undefined;
    return new PairedText(this.tokens.slice(0, tokens), { original, variant }, undefined);
  }
}

/** Runs of graphs that reading so many tokens takes in both models. */
export const stepsOfPair = ({ original, variant }: PairedDecoders, tokens: number): number =>
  stepsOfTokens(original, tokens) + stepsOfTokens(variant, tokens);

/**
 * Of texts that were read, what a new one begins with, to be read on from there: as many tokens as possible, but not the last one of the new text, whose logits
 * are asked for.
 */
export function longestBeginning(texts: readonly PairedText[], tokens: Int32Array): PairedText | undefined {
  const found = texts.map((text) => {
    const differs = text.tokens.findIndex((token, i) => token !== tokens[i] || i === tokens.length - 1);
    return { text, length: differs < 0 ? text.tokens.length : differs };
  });
  for (const { text, length } of found.sort((a, b) => b.length - a.length)) {
    const beginning = length > 0 ? text.upTo(length) : undefined; // a copy of its states
    if (beginning) return beginning;
  }
  return undefined;
}
