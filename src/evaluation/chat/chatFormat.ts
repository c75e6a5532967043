import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { ChatMessage } from '../../protocol/chat';
import { chatTemplatesOf } from '../../tokenizer/chatTemplates';
import { said } from '../../protocol/said';
import { renderChat } from '../../tokenizer/renderChat';
import { readTokenizerFiles } from '../../tokenizer/tokenizerFiles';
import { idKeys } from '../../tokenizer/vocabulary';
import { endings } from '../tokenizer/ggufTokenizer';
import { tokenizerValues } from '../tokenizer/ggufValues';
import { tokenizerSource } from '../tokenizer/openTokenizer';
import type { TextTokenizer } from '../tokenizer/textTokenizer';

/** How a model takes part in a conversation. */
export interface ChatFormat {
  /** Where the template comes from, or the tokenizer of a model without one; errors name it. */
  readonly file: string;
  /** Absent for a model without one. */
  readonly template?: string;
  /** Tokens that end a turn or a text. */
  readonly ends: ReadonlySet<number>;
}

/** @throws QuantscopeError as `openTokenizer`. */
export async function chatFormat(model: Model, signal?: AbortSignal): Promise<ChatFormat> {
  const source = await tokenizerSource(model, signal);
  const { file, tokens, eos } = await tokenizerValues(source);
  const template = source.scalar('tokenizer.chat_template');
  const stated = [idKeys.eot, idKeys.eom].map((name) => source.scalar(`tokenizer.ggml.${name}`));
  const files = model.gguf ? undefined : await readTokenizerFiles(model.folder, signal);
  const ids = [eos, ...stated, files?.generation?.['eos_token_id']].flat();
  const named = tokens.flatMap((text, id) => (endings.has(text) ? [id] : []));
  return {
    file: (files && chatTemplatesOf(files).file) ?? file,
    ...(typeof template === 'string' && template.trim() !== '' ? { template } : {}),
    ends: new Set([...named, ...ids.filter((id): id is number => typeof id === 'number')]),
  };
}

/**
 * The tokens of a conversation: by the chat template up to where the assistant begins, or the texts of all turns where there is none. BOS
 * comes first where the model wants it, once.
 * @throws QuantscopeError REQUEST for a conversation without text, or that the template refuses, and for a system message without a
 * template; as `renderChat`.
 */
export async function chatTokens(
  { template, file }: ChatFormat,
  tokenizer: TextTokenizer,
  messages: readonly ChatMessage[],
  signal?: AbortSignal,
): Promise<Int32Array> {
  const { bos, eos, addsBos } = tokenizer;
  const textOf = (id: number | undefined): string => (id === undefined ? '' : tokenizer.decode([id]));
  if (template === undefined && messages.some(({ role }) => role === 'system')) {
    const message = said`The model has no chat template, so that it cannot be told what is a system message.`;
    throw new QuantscopeError('REQUEST', message, { file });
  }
  const text =
    template === undefined
      ? messages.map(({ content }) => content).join('')
      : renderChat(template, messages, { bos_token: textOf(bos), eos_token: textOf(eos) }, file);
  const own = await tokenizer.encode(text, { parseSpecial: template !== undefined, signal });
  const first = addsBos && bos !== undefined && own[0] !== bos ? [bos] : [];
  const tokens = Int32Array.from([...first, ...own]);
  if (tokens.length > 0) return tokens;
  throw new QuantscopeError('REQUEST', said`There is no text that the models could go on with.`, { file });
}
