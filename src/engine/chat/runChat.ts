import { chatFormat, chatTokens } from '../../evaluation/chat/chatFormat';
import { generateSideBySide } from '../../evaluation/chat/sideBySide';
import { QuantscopeError } from '../../model/errors';
import type { ChatParams, ChatResult } from '../../protocol/chat';
import { openForText } from '../evaluation/openForText';
import { contextLengthOf, runDevice } from '../evaluation/runPlan';
import { checkTokens } from '../evaluation/sameTokens';
import type { JobContext } from '../job';
import { openPair, type PairedModels } from './openPair';

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
): Promise<ChatResult> {
  const started = performance.now();
  const { model, other } = models;
  const { messages, tokens = usualTokens, stop = [], temperature, topP, seed } = params;
  const { signal } = context;
  const where = await runDevice(params.device, signal);
  const tokenizer = await openForText(model, signal);
  const format = await chatFormat(model, signal);
  const prompt = await chatTokens(format, tokenizer, messages, signal);
  if (other) await checkTokens(other, 'the variant', tokenizer, prompt, signal);
  const contextLength = await contextLengthOf(model, signal);
  refuseTooLong(prompt.length, contextLength, model.description.path);
  const most = Math.min(tokens, contextLength - prompt.length);
  const pair = await openPair(
    models,
    { ...params, where: where.device, length: prompt.length + most },
    context,
  );
  const report = reporter(context, prompt.length, most);
  try {
    const answers = await generateSideBySide(pair.decoders, prompt, {
      ...{ tokenizer, signal, ...report },
      sampling: {
        ...(temperature === undefined ? {} : { temperature }),
        ...(topP === undefined ? {} : { topP }),
        ...(seed === undefined ? {} : { seed }),
      },
      endings: { tokens: format.ends, texts: stop, most, isContext: most < tokens },
    });
    return {
      ...{ ...answers, label: pair.label, hasTemplate: format.template !== undefined },
      prompt: [...prompt],
      memory: pair.decoders.original.keeps ? 'whole' : 'streamed',
      deviceLabel: where.label,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await pair.close();
  }
}

function refuseTooLong(tokens: number, contextLength: number, file: string): void {
  if (tokens < contextLength) return;
  const message = `The conversation has ${tokens} tokens, and the context of the model ends at ${contextLength}: there is no room for an answer.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

/** Progress in tokens: those of the conversation, then those of the longer answer. */
function reporter({ progress }: JobContext, prompt: number, most: number) {
  const total = prompt + most;
  return {
    onPrompt: (done: number) => progress({ message: 'reading the conversation', done, total }),
    onAnswer: (chat: NonNullable<Parameters<JobContext['progress']>[0]['chat']>) => {
      const done = prompt + Math.max(chat.original.length, chat.variant.length);
      progress({ message: 'answering', done, total, chat });
    },
  };
}
