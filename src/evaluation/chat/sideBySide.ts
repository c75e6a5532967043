import { turn } from '../../graph/transformer/pass';
import { throwIfCancelled } from '../../model/errors';
import type { ChatProgress, ChatSide, ChatText, ChatToken, SamplingSettings } from '../../protocol/chat';
import type { TextTokenizer } from '../tokenizer/textTokenizer';
import { Answer, type Endings } from './answer';
import { compareLogits } from './compareLogits';
import type { PairedText } from './pairedText';
import { chooseToken } from './sampling';
import { TextPieces } from './textPieces';

export interface SideBySideOptions {
  readonly tokenizer: Pick<TextTokenizer, 'decode'>;
  readonly sampling: SamplingSettings;
  readonly endings: Endings;
  readonly signal?: AbortSignal | undefined;
  /** After each token of the answers. */
  readonly onAnswer?: (answers: ChatProgress) => void;
}

const sides: readonly ChatSide[] = ['original', 'variant'];
const otherSide = { original: 'variant', variant: 'original' } as const;

/** Both answers, and the texts that were read for them: one as long as they agree. */
export interface SideBySide {
  readonly answers: Readonly<Record<ChatSide, ChatText>>;
  readonly texts: readonly PairedText[];
}

/**
 * Two models go on with a text, each with its own choices. Both run over either answer, so that each token of it is compared after the same
 * tokens before it; as long as the answers agree, they are one.
 * @param prompt what both have read.
 * @throws QuantscopeError UNSUPPORTED for logits that are not finite; CANCELLED, at every token.
 */
export async function generateSideBySide(
  prompt: PairedText,
  options: SideBySideOptions,
): Promise<SideBySide> {
  const { sampling, endings, onAnswer, signal } = options;
  const answers = { original: new Answer(endings), variant: new Answer(endings) };
  const writers = { original: new Writer(prompt, options), variant: new Writer(prompt, options) };
  for (let position = prompt.tokens.length; sides.some((side) => !answers[side].end); position++) {
    const open = sides.filter((side) => !answers[side].end);
    const isShared = writers.original.text === writers.variant.text;
    const tokens = open.map((side) => writers[side].choose(side, position, sampling));
    open.forEach((side, i) => answers[side].add(tokens[i]!));
    onAnswer?.({ original: answers.original.line, variant: answers.variant.line });
    await turn();
    throwIfCancelled(signal);
    const isSame = isShared && tokens[0]!.id === tokens[1]!.id;
    for (const [i, side] of open.entries()) {
      if (answers[side].end) continue;
      if (isSame && i > 0) writers[side].text = writers[open[0]!].text;
      else writers[side].text = await writers[side].text.with(Int32Array.of(tokens[i]!.id), { signal });
    }
  }
  return {
    answers: { original: answers.original.finish(), variant: answers.variant.finish() },
    texts: [...new Set(sides.map((side) => writers[side].text))],
  };
}

/** Writes one answer. */
class Writer {
  private readonly pieces: TextPieces;

  constructor(
    public text: PairedText,
    { tokenizer }: Pick<SideBySideOptions, 'tokenizer'>,
  ) {
    this.pieces = new TextPieces(tokenizer, text.tokens);
  }

  /** The next token as one of the models chooses it. */
  choose(side: ChatSide, position: number, sampling: SamplingSettings): ChatToken {
    const { logits } = this.text;
    const { divergence, probability, candidates } = compareLogits(logits);
    const id = chooseToken(logits[side], position, sampling);
    const instead = chooseToken(logits[otherSide[side]], position, sampling);
    const { pieces } = this;
    const chosen = {
      ...{ id, text: pieces.peek(id), divergence },
      ...(instead === id ? {} : { instead: pieces.peek(instead) }),
      probability: probability(id),
      candidates: candidates.map((token) => ({ text: pieces.peek(token), ...probability(token) })),
    };
    pieces.add(id);
    return chosen;
  }
}
