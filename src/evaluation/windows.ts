import { QuantscopeError } from '../model/errors';
import { plural } from '../protocol/words';
import type { WindowConvention, WindowSettings } from '../protocol/evaluation';
import { said } from '../protocol/said';

/** Tokens that go into a model together, and which predictions are scored. */
export interface ScoredInputs {
  /** [n] token ids. */
  readonly inputs: Int32Array;
  /** [n]: the token that the logits of each position have to predict, or −1 where they are not scored. */
  readonly targets: Int32Array;
}

export interface TextWindow extends ScoredInputs {
  /** Index of the first input in the text's tokens. */
  readonly start: number;
}

/** How a text is cut into windows. */
export interface WindowPlan {
  readonly convention: WindowConvention;
  /** Tokens of a window. */
  readonly context: number;
  /** Tokens from one window's start to the next. */
  readonly stride: number;
  readonly windows: number;
  /** Windows that the whole text has room for. */
  readonly fitting: number;
  /** Predictions that are scored, over all windows. */
  readonly scoredTokens: number;
  /** Tokens of the text, from its first on, that are inputs or targets. */
  readonly usedTokens: number;
  /** Replaces the first token of every window. */
  readonly bos?: number;
}

/** What a tokenizer puts at the beginning of a text. */
export interface Beginning {
  readonly bos?: number;
  readonly addsBos: boolean;
}

/** Also that of llama-perplexity. */
const defaultContext = 512;

/**
 * Cuts a text of `tokenCount` tokens into whole windows; the rest at its end is not used.
 *
 * - `llama.cpp` (tools/perplexity/perplexity.cpp): window i has the tokens [i·n, (i+1)·n), the first replaced by BOS when the
 *   model adds one; scored are the predictions of its positions ⌊n/2⌋ … n−2, each of the next token in the window. llama-perplexity
 *   tokenizes with special tokens, so the text's own first token is then BOS; it requires at least two windows, which is not
 *   required here.
 * - `sliding`: window k has the tokens [k·s, k·s + n) and predicts those up to index k·s + n; the first window scores all its
 *   predictions, a later one those of its last s positions, which no earlier window has made.
 *
 * @param contextLength the most tokens that the model takes.
 * @param file names the text in errors.
 * @throws QuantscopeError REQUEST when the text is too short for one window, or context, stride or count are out of range.
 */
export function planWindows(
  tokenCount: number,
  settings: WindowSettings,
  { bos, addsBos }: Beginning,
  contextLength: number,
  file?: string,
): WindowPlan {
  const { convention = 'llama.cpp' } = settings;
  const { least, layOut } = conventions[convention];
  const fail: Fail = (message) => new QuantscopeError('REQUEST', message, file === undefined ? {} : { file });
  const context = contextOf(settings, least, contextLength, fail);
  const { stride, needed, fitting, scored } = layOut(tokenCount, context, settings, fail);
  if (fitting < 1)
    throw fail(
      said`The text has ${plural(tokenCount, 'token')}; one window of ${context} needs ${needed(1)}.`,
    );
  const most = settings.windows ?? fitting;
  if (!Number.isInteger(most) || most < 1)
    throw fail(said`The number of windows is ${most}; it must be 1 or more.`);
  const windows = Math.min(most, fitting);
  const replaces = convention === 'llama.cpp' && addsBos && bos !== undefined;
  return {
    ...{ convention, context, stride, windows, fitting },
    ...{ scoredTokens: scored(windows), usedTokens: needed(windows) },
    ...(replaces ? { bos } : {}),
  };
}

/**
 * Inputs and targets of window `index` of a plan.
 * @param tokens of the whole text, at least `plan.usedTokens`.
 */
export function windowAt(plan: WindowPlan, tokens: Int32Array, index: number): TextWindow {
  const { convention, context, stride, bos } = plan;
  const start = index * stride;
  const inputs = tokens.slice(start, start + context);
  const { first, end } = conventions[convention].scoredPositions(plan, index);
  const targets = new Int32Array(context).fill(-1);
  targets.set(tokens.subarray(start + first + 1, start + end + 1), first);
  if (bos !== undefined) inputs[0] = bos;
  return { start, inputs, targets };
}

/** Indices of a plan's windows when they are spread evenly over the text instead of being its first ones. */
export const spreadIndices = ({ windows, fitting }: WindowPlan): number[] =>
  Array.from({ length: windows }, (_, i) => Math.floor(((i + 0.5) * fitting) / windows));

type Fail = (message: string) => QuantscopeError;

/** How many windows a text has room for, and what a number of them needs and scores. */
interface Layout {
  readonly stride: number;
  readonly fitting: number;
  /** Tokens of the text. */
  readonly needed: (windows: number) => number;
  readonly scored: (windows: number) => number;
}

interface Convention {
  /** The shortest context in which something is scored. */
  readonly least: number;
  readonly layOut: (tokens: number, context: number, settings: WindowSettings, fail: Fail) => Layout;
  /** Positions from `first` up to, but without, `end`. */
  readonly scoredPositions: (plan: WindowPlan, window: number) => { first: number; end: number };
}

const conventions: Readonly<Record<WindowConvention, Convention>> = {
  'llama.cpp': {
    least: 3,
    layOut(tokens, context, { stride = context }, fail) {
      if (stride !== context)
        throw fail(said`The stride is ${stride}; windows of llama.cpp’s convention do not overlap.`);
      const perWindow = context - 1 - Math.floor(context / 2);
      return {
        stride,
        fitting: Math.floor(tokens / context),
        needed: (windows) => windows * context,
        scored: (windows) => windows * perWindow,
      };
    },
    scoredPositions: ({ context }) => ({ first: Math.floor(context / 2), end: context - 1 }),
  },
  sliding: {
    least: 1,
    layOut(tokens, context, { stride = context }, fail) {
      if (!Number.isInteger(stride) || stride < 1 || stride > context)
        throw fail(said`The stride is ${stride}; it must be from 1 to the context, ${context}.`);
      return {
        stride,
        fitting: Math.floor((tokens - 1 - context) / stride) + 1,
        needed: (windows) => (windows - 1) * stride + context + 1,
        scored: (windows) => context + (windows - 1) * stride,
      };
    },
    scoredPositions: ({ context, stride }, window) => ({
      first: window === 0 ? 0 : context - stride,
      end: context,
    }),
  },
};

function contextOf(settings: WindowSettings, least: number, contextLength: number, fail: Fail): number {
  const context = settings.context ?? Math.min(defaultContext, contextLength);
  if (!Number.isInteger(context) || context < least)
    throw fail(said`The context is ${context} tokens; it must be ${least} or more.`);
  if (context > contextLength)
    throw fail(said`The context is ${context} tokens; the model takes at most ${contextLength}.`);
  return context;
}
