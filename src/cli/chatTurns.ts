import { QuantscopeError } from '../model/errors';
import type { CausesResult, ChatMessage, ChatProgress, ChatResult, ChatSide } from '../protocol/chat';
import { TypedLines } from './chatLines';
import { comparison, describeCauses, mostDivergent, tokensBefore } from './chatText';
import type { CommandContext, CommandResult } from './command';

type Running = Pick<CommandContext, 'signal' | 'progress'>;

/** What a conversation asks the engine for. */
export interface Asker {
  readonly answers: (messages: readonly ChatMessage[], running: Running) => Promise<ChatResult>;
  /** @param tokens all before the one that is asked about. */
  readonly causes: (tokens: number[], running: Running) => Promise<CausesResult>;
  /** Texts that end an answer. */
  readonly stops: readonly string[];
}

/** The system message as a turn, where there is one. */
export const systemTurn = (content: string | undefined): ChatMessage[] =>
  content === undefined ? [] : [{ role: 'system', content }];

const help = `Lines are what you say; one that ends with \\ goes on with the next. Commands: /original and /variant (with whose answer the conversation goes on), /causes (which tensors moved the last answer most), /reset. Ctrl+C stops an answer, Ctrl+D ends.`;

/** A conversation turn by turn, whose answers are printed while they are written. */
export async function talk(
  context: CommandContext,
  ask: Asker,
  system: string | undefined,
): Promise<CommandResult> {
  const conversation = new Conversation(context, ask, system);
  const lines = new TypedLines(context.signal, () => conversation.interrupt(() => lines.clear()));
  if (lines.isTerminal) context.note(help);
  try {
    for await (const line of lines.turns()) {
      if (!context.isHeard()) break;
      try {
        if (line.trim() !== '') await conversation.take(line);
      } catch (error) {
        // On a terminal the next line can do better; what is piped in would go on from another place than it was written for.
        if (!lines.isTerminal || context.signal.aborted || !(error instanceof QuantscopeError)) throw error;
        context.note(
          error.code === 'CANCELLED'
            ? 'The turn was stopped; it is not part of the conversation.'
            : error.message,
        );
      }
    }
  } finally {
    lines.close();
  }
  return { json: { turns: conversation.results }, lines: [] };
}

/** Turns so far, and what lines that begin with a slash do with them. */
class Conversation {
  readonly results: ChatResult[] = [];
  private messages: readonly ChatMessage[];
  private last: ChatResult | undefined;
  private side: ChatSide = 'original';
  private running: AbortController | undefined;

  constructor(
    private readonly context: CommandContext,
    private readonly ask: Asker,
    private readonly system: string | undefined,
  ) {
    this.messages = systemTurn(system);
  }

  /** Stops what runs. @param idle called where nothing does. */
  interrupt(idle: () => void): void {
    if (this.running) return this.running.abort();
    idle();
  }

  /** One line. @throws QuantscopeError as the engine. */
  async take(line: string): Promise<void> {
    const command = line.trim();
    if (!command.startsWith('/')) return this.say(line);
    const work = Object.hasOwn(this.commands, command) ? this.commands[command] : undefined;
    if (!work) throw new QuantscopeError('REQUEST', `There is no ${command}. ${help}`);
    await work();
  }

  private readonly commands: Readonly<Record<string, () => Promise<void> | void>> = {
    '/reset': () => {
      [this.messages, this.last] = [systemTurn(this.system), undefined];
      this.context.note('A new conversation.');
    },
    '/original': () => this.goOnWith('original'),
    '/variant': () => this.goOnWith('variant'),
    '/causes': () => this.explain(),
    '/help': () => this.context.note(help),
  };

  private goOnWith(side: ChatSide): void {
    this.side = side;
    this.context.note(`The conversation goes on with the answers of the ${side}.`);
  }

  private async say(content: string): Promise<void> {
    const { ask, last, side } = this;
    const answered: ChatMessage[] = last ? [{ role: 'assistant', content: last[side].text }] : [];
    const messages = [...this.messages, ...answered, { role: 'user', content } as const];
    const writer = new AnswerWriter(this.context, ask.stops);
    const running = this.run(({ signal, progress }) =>
      ask.answers(messages, {
        signal,
        progress: (step) => (step.chat ? writer.show(step.chat) : progress(step)),
      }),
    );
    const chat = await running.catch((error: unknown) => {
      writer.leave();
      throw error;
    });
    writer.finish(chat);
    [this.messages, this.last] = [messages, chat];
    this.results.push(chat);
  }

  private async explain(): Promise<void> {
    const { last } = this;
    const found = last && mostDivergent(last.original);
    if (!found) throw new QuantscopeError('REQUEST', 'There is no answer yet.');
    const causes = await this.run((running) => this.ask.causes(tokensBefore(last, found.at), running));
    this.context.say(
      describeCauses(found.token, causes)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }

  private async run<T>(work: (running: Running) => Promise<T>): Promise<T> {
    const { signal, progress } = this.context;
    this.running = new AbortController();
    try {
      return await work({ signal: AbortSignal.any([signal, this.running.signal]), progress });
    } finally {
      this.running = undefined;
    }
  }
}

/** Prints the answer of the original while it is written, and then that of the variant. */
class AnswerWriter {
  private written = '';
  private isBegun = false;
  /** Characters that may turn out to be the beginning of a text that ends the answer. */
  private readonly heldBack: number;

  constructor(
    private readonly context: CommandContext,
    stops: readonly string[],
  ) {
    this.heldBack = stops.reduce((most, { length }) => Math.max(most, length), 1) - 1;
  }

  show({ original }: ChatProgress): void {
    // The last token may be the one that ends the turn.
    const text = original
      .slice(0, -1)
      .map(([piece]) => piece)
      .join('');
    const sure = text.slice(0, Math.max(0, text.length - this.heldBack));
    if (sure.length > this.written.length) this.write(sure);
  }

  /** @param chat the whole answers. */
  finish(chat: ChatResult): void {
    const { label, original, variant } = chat;
    if (original.text.startsWith(this.written)) this.write(original.text);
    else this.context.say(`\noriginal: ${original.text}`);
    const other = variant.text === original.text ? '(the same)' : variant.text;
    this.context.say(`\n${label}: ${other}\n${comparison(chat)}\n`);
  }

  /** Ends the line of an answer that is not finished. */
  leave(): void {
    if (this.isBegun) this.context.say('\n');
  }

  private write(text: string): void {
    const first = this.isBegun ? '' : 'original: ';
    this.context.say(first + text.slice(this.written.length));
    [this.written, this.isBegun] = [text, true];
  }
}
