import { Template } from '@huggingface/jinja';
import { inBoundedTime } from '../model/boundedTime';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import type { ChatMessage } from '../protocol/chat';

/** Texts of special tokens, which templates insert. */
export interface TemplateTokens {
  readonly bos_token?: string;
  readonly eos_token?: string;
}

/** Milliseconds; usually less than one. A template from a file may have loops without end. */
const timeLimit = 2_000;

/** Longer ones are not parsed (characters); published ones have at most some tens of thousands. */
const maxTemplate = 1 << 20;

/**
 * A conversation as the chat template of a model writes it, up to where the assistant begins.
 * @param file names where the template comes from.
 * @throws QuantscopeError MODEL_FILE for a template that is none or takes too long, REQUEST for a conversation that it refuses.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  tokens: TemplateTokens,
  file: string,
): string {
  const invalid = (why: string, cause?: unknown): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', `The chat template ${why}`, { file }, cause);
  if (template.length > maxTemplate) throw invalid(`has ${template.length} characters, which is too long.`);
  const bounded = <T>(work: () => T): T =>
    inBoundedTime(work, timeLimit, () =>
      invalid(`does not finish in ${timeLimit / 1000} seconds: it may have a loop without end.`),
    );
  const failed = (error: unknown, wrap: (why: string, cause: unknown) => QuantscopeError): never => {
    throw error instanceof QuantscopeError ? error : wrap(reason(error), error);
  };
  let parsed: Template;
  try {
    parsed = bounded(() => new Template(template));
  } catch (error) {
    return failed(error, (why, cause) => invalid(`is not a Jinja template: ${why}`, cause));
  }
  try {
    const values = { ...tokens, messages: [...messages], add_generation_prompt: true };
    return bounded(() => parsed.render(values));
  } catch (error) {
    return failed(error, (why, cause) => {
      const message = `The chat template refuses this conversation: ${why}`;
      return new QuantscopeError('REQUEST', message, { file }, cause);
    });
  }
}
