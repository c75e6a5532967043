import { chatFormat, chatTokens } from '../../evaluation/chat/chatFormat';
import { stepsOfPair, type PairedDecoders, type PairedText } from '../../evaluation/chat/pairedText';
import { generateSideBySide } from '../../evaluation/chat/sideBySide';
import { QuantscopeError } from '../../model/errors';
import type { ChatParams, ChatResult } from '../../protocol/chat';
import { said } from '../../protocol/said';
import { openForText } from '../evaluation/openForText';
import { contextLengthOf, runDevice } from '../evaluation/runPlan';
import { checkTexts } from '../evaluation/sameTokens';
import type { JobContext } from '../job';
import type { KeptPair } from './keptPair';
import type { PairedModels } from './openPair';
import type { Turn } from './turnKey';

/** Most tokens of an answer unless others are asked for. */
const usualTokens = 128;

/**
 * A model and its variant go on with a conversation.
 * @throws QuantscopeError as `openForText`, `chatTokens`, `openPair` and `generateSideBySide`; REQUEST for a conversation that is longer
 * than the context of the model.
 */
export async function runChat(
  models: PairedModels,
  params: ChatParams,
  context: JobContext,
  keptPair: KeptPair,
): Promise<ChatResult> {
  const started = performance.now();
  const { model, other } = models;
  const { messages, tokens = usualTokens, stop = [], temperature, topP, seed } = params;
  const { signal } = context;
  const where = await runDevice(params.device, signal);
  const tokenizer = await openForText(model, signal);
  const format = await chatFormat(model, signal);
  const prompt = await chatTokens(format, tokenizer, messages, signal);
  const contextLength = await contextLengthOf(model, signal);
  refuseTooLong(prompt.length, contextLength, model.description.path);
  const most = Math.min(tokens, contextLength - prompt.length);
  const turn: Turn = { models, params, where: where.device, length: prompt.length + most };
  return keptPair.use(turn, context, async ({ pair, isNew, beginningOf }) => {
    const { decoders, label } = pair;
    const { vocabulary } = decoders.original.shape;
    if (other && isNew) await checkTexts(other, 'the variant', tokenizer, vocabulary, signal);
    const known = beginningOf(prompt);
    const report = reporter(context, prompt.length, most);
    const read = await readOn(known, decoders, prompt, { signal, onPrompt: report.onPrompt });
    const { answers, texts } = await generateSideBySide(read, {
      ...{ tokenizer, signal, onAnswer: report.onAnswer },
      sampling: {
        ...(temperature === undefined ? {} : { temperature }),
        ...(topP === undefined ? {} : { topP }),
        ...(seed === undefined ? {} : { seed }),
      },
      endings: { tokens: format.ends, texts: stop, most, isContext: most < tokens },
    });
    const result: ChatResult = {
      ...{ ...answers, label, hasTemplate: format.template !== undefined },
      ...{ prompt: [...prompt], reused: known.tokens.length },
      memory: decoders.original.keeps ? 'whole' : 'streamed',
      deviceLabel: where.label,
      seconds: (performance.now() - started) / 1000,
    };
    // Of an answer that cannot be cut, the next turn may only have the beginning.
    return { result, texts: read.canBeCut ? texts : [...texts, read] };
  });
}

/** Both models read the rest of a prompt. */
function readOn(
  known: PairedText,
  decoders: PairedDecoders,
  prompt: Int32Array,
  { signal, onPrompt }: { readonly signal: AbortSignal; readonly onPrompt: (tokens: number) => void },
): Promise<PairedText> {
  const first = known.tokens.length;
  const rest = prompt.subarray(first);
  const steps = stepsOfPair(decoders, rest.length);
  let done = 0;
  const onStep = (): void => onPrompt(first + Math.floor((++done / steps) * rest.length));
  return known.with(rest, { signal, onStep });
}

function refuseTooLong(tokens: number, contextLength: number, file: string): void {
  if (tokens < contextLength) return;
  const message = said`The conversation has ${tokens} tokens, and the context of the model ends at ${contextLength}: there is no room for an answer.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

/** Progress in tokens: those of the conversation, then those of the longer answer. */
function reporter({ progress }: JobContext, prompt: number, most: number) {
  const total = prompt + most;
  return {
    onPrompt: (done: number) => progress({ message: said`reading the conversation`, done, total }),
    onAnswer: (chat: NonNullable<Parameters<JobContext['progress']>[0]['chat']>) => {
      const done = prompt + Math.max(chat.original.length, chat.variant.length);
      progress({ message: said`writing the answers`, done, total, chat });
    },
  };
}
