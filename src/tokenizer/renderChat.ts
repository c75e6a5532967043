import { Template } from '@huggingface/jinja';
import { inBoundedTime } from '../model/boundedTime';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import type { ChatMessage } from '../protocol/chat';
import { said } from '../protocol/said';

/** Texts of special tokens, which templates insert. */
export interface TemplateTokens {
  readonly bos_token?: string;
  readonly eos_token?: string;
}

/** Milliseconds; usually less than one. A template from a file may have loops without end. */
const timeLimit = 2_000;

/** Longer ones are not parsed (characters); published ones have at most some tens of thousands. */
export const maxTemplate = 1 << 20;

/** A template of a file, whose work ends in any case. */
export interface BoundedTemplate {
  /** @throws what the library does, and QuantscopeError MODEL_FILE when it takes too long. */
  render(values: Record<string, unknown>): string;
}

/**
 * Parses a template.
 * @param file names where it comes from.
 * @throws what the library does for one that is none, and QuantscopeError MODEL_FILE when it takes too long.
 */
export function boundedTemplate(text: string, file: string): BoundedTemplate {
  const bounded = <T>(work: () => T): T =>
    inBoundedTime(work, timeLimit, () => {
      const message = said`The chat template does not finish in ${timeLimit / 1000} seconds: it may have a loop without end.`;
      return new QuantscopeError('MODEL_FILE', message, { file });
    });
  const template = bounded(() => new Template(text));
  return { render: (values) => bounded(() => template.render(values)) };
}

/**
 * A conversation as the chat template of a model writes it, up to where the assistant begins.
 * @param file names where the template comes from.
 * @throws QuantscopeError MODEL_FILE for a template that is none or takes too long, REQUEST for a conversation that it refuses.
 */
export function renderChat(
  text: string,
  messages: readonly ChatMessage[],
  tokens: TemplateTokens,
  file: string,
): string {
  if (text.length > maxTemplate) {
    const message = said`The chat template has ${text.length} characters, which is too long.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  const template = explained(
    () => boundedTemplate(text, file),
    (why, cause) =>
      new QuantscopeError(
        'MODEL_FILE',
        said`The chat template is not a Jinja template: ${why}`,
        { file },
        cause,
      ),
  );
  return explained(
    () => template.render({ ...tokens, messages: [...messages], add_generation_prompt: true }),
    (why, cause) => {
      const message = said`The chat template refuses this conversation: ${why}`;
      return new QuantscopeError('REQUEST', message, { file }, cause);
    },
  );
}

/** What the library throws, as an error of this program. */
function explained<T>(work: () => T, wrap: (why: string, cause: unknown) => QuantscopeError): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof QuantscopeError ? error : wrap(reason(error), error);
  }
}
