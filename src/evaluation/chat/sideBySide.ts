import type { Decoder } from '../../graph/transformer/decoder';
import { Generation, stepsOfTokens } from '../../graph/transformer/generation';
import { turn, type PassOptions } from '../../graph/transformer/pass';
import { throwIfCancelled } from '../../model/errors';
import type { ChatProgress, ChatSide, ChatText, ChatToken, SamplingSettings } from '../../protocol/chat';
import type { TextTokenizer } from '../tokenizer/textTokenizer';
import { Answer, type Endings } from './answer';
import { compareLogits, type LogitPair } from './compareLogits';
import { chooseToken } from './sampling';
import { TextPieces } from './textPieces';

export interface SideBySideOptions {
  readonly tokenizer: Pick<TextTokenizer, 'decode'>;
  readonly sampling: SamplingSettings;
  readonly endings: Endings;
  readonly signal?: AbortSignal | undefined;
  /** While the prompt is read; the share that is done, in tokens of it. */
  readonly onPrompt?: (tokens: number) => void;
  /** After each token of the answers. */
  readonly onAnswer?: (answers: ChatProgress) => void;
}

const sides: readonly ChatSide[] = ['original', 'variant'];
const otherSide = { original: 'variant', variant: 'original' } as const;

/**
 * Two models go on with a text, each with its own choices. Both run over either answer, so that each token of it is compared after the same
 * tokens before it; as long as the answers agree, they are one.
 * @param prompt at least one token.
 * @throws QuantscopeError UNSUPPORTED for logits that are not finite; CANCELLED, at every token.
 */
export async function generateSideBySide(
  decoders: Readonly<Record<ChatSide, Decoder>>,
  prompt: Int32Array,
  options: SideBySideOptions,
): Promise<Record<ChatSide, ChatText>> {
  const { sampling, endings, onAnswer, signal } = options;
  const start = await Pair.start(decoders, prompt, prompt.length + endings.most, options);
  const answers = { original: new Answer(endings), variant: new Answer(endings) };
  const writers = {
    original: new Writer(start, prompt, options),
    variant: new Writer(start, prompt, options),
  };
  for (let position = prompt.length; sides.some((side) => !answers[side].end); position++) {
    const open = sides.filter((side) => !answers[side].end);
    const isShared = writers.original.pair === writers.variant.pair;
    const tokens = open.map((side) => writers[side].choose(side, position, sampling));
    open.forEach((side, i) => answers[side].add(tokens[i]!));
    onAnswer?.({ original: answers.original.line, variant: answers.variant.line });
    await turn();
    throwIfCancelled(signal);
    const isSame = isShared && tokens[0]!.id === tokens[1]!.id;
    if (isShared && !isSame) writers.variant.pair = start.fork();
    for (const [i, side] of open.entries())
      if (!answers[side].end && !(isSame && i > 0))
        await writers[side].pair.take(Int32Array.of(tokens[i]!.id), { signal });
  }
  return { original: answers.original.finish(), variant: answers.variant.finish() };
}

/** Both models after the same tokens. */
class Pair {
  private constructor(
    private readonly generations: Readonly<Record<ChatSide, Generation>>,
    public logits: LogitPair,
  ) {}

  static async start(
    decoders: Readonly<Record<ChatSide, Decoder>>,
    prompt: Int32Array,
    positions: number,
    { signal, onPrompt }: Pick<SideBySideOptions, 'signal' | 'onPrompt'>,
  ): Promise<Pair> {
    const original = new Generation(decoders.original, positions);
    const variant = new Generation(decoders.variant, positions);
    const pair = new Pair({ original, variant }, { original: noLogits, variant: noLogits });
    const steps = sides.reduce((sum, side) => sum + stepsOfTokens(decoders[side], prompt.length), 0);
    let done = 0;
    const onStep = (): void => onPrompt?.(Math.floor((++done / steps) * prompt.length));
    await pair.take(prompt, { signal, onStep });
    return pair;
  }

  async take(tokens: Int32Array, pass: PassOptions): Promise<void> {
    const original = await this.generations.original.next(tokens, pass);
    this.logits = { original, variant: await this.generations.variant.next(tokens, pass) };
  }

  /** The same with a future of its own. */
  fork(): Pair {
    const { original, variant } = this.generations;
    return new Pair({ original: original.fork(), variant: variant.fork() }, this.logits);
  }
}

const noLogits = new Float32Array(0);

/** Writes one answer. */
class Writer {
  private readonly pieces: TextPieces;

  constructor(
    public pair: Pair,
    prompt: Int32Array,
    { tokenizer }: Pick<SideBySideOptions, 'tokenizer'>,
  ) {
    this.pieces = new TextPieces(tokenizer, prompt);
  }

  /** The next token as one of the models chooses it. */
  choose(side: ChatSide, position: number, sampling: SamplingSettings): ChatToken {
    const { logits } = this.pair;
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
