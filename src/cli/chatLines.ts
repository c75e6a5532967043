import { createInterface, type Interface } from 'node:readline';
import { addAbortSignal } from 'node:stream';
import { throwIfCancelled } from '../model/errors';
import type { CommandContext } from './command';

/** All of stdin, without the end of its last line. @throws QuantscopeError CANCELLED. */
export async function allOfStdin({ signal, note }: CommandContext): Promise<string> {
  if (process.stdin.isTTY) note('What you say is read from here up to the end of the input (Ctrl+D).');
  const parts: Buffer[] = [];
  try {
    for await (const part of addAbortSignal(signal, process.stdin)) parts.push(part as Buffer);
  } catch (error) {
    throwIfCancelled(signal);
    throw error;
  }
  // The end of the last line is that of the input, not of what the user says.
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** What the user types line by line, with a prompt where that is a terminal. Close it. */
export class TypedLines {
  readonly isTerminal = process.stdin.isTTY;
  private readonly reader: Interface;
  private isClosed = false;
  /** Lines of a turn that goes on with the next line. */
  private begun: string[] = [];

  /** @param interrupted Ctrl+C on a terminal, which reads keys itself while lines are read: it sends no signal. */
  constructor(
    private readonly signal: AbortSignal,
    interrupted: () => void,
  ) {
    this.reader = createInterface({
      input: process.stdin,
      ...(this.isTerminal ? { output: process.stderr } : {}),
      terminal: this.isTerminal,
      prompt: '> ',
    });
    this.reader.on('SIGINT', interrupted);
    this.reader.on('close', () => (this.isClosed = true));
  }

  /**
   * Turns of the user up to the end of the input: lines, of which one that ends with a backslash goes on with the next.
   * @throws QuantscopeError CANCELLED.
   */
  async *turns(): AsyncGenerator<string> {
    const { reader, signal } = this;
    const taken = (): string[] => this.begun.splice(0);
    const stop = (): void => reader.close();
    signal.addEventListener('abort', stop);
    this.ask();
    try {
      for await (const line of reader) {
        if (line.endsWith('\\')) this.begun.push(line.slice(0, -1));
        else yield [...taken(), line].join('\n');
        this.ask();
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
    throwIfCancelled(signal);
    if (this.begun.length > 0) yield taken().join('\n');
  }

  /** Forgets what was typed of a turn. */
  clear(): void {
    this.begun = [];
    this.reader.write(null, { ctrl: true, name: 'e' });
    this.reader.write(null, { ctrl: true, name: 'u' });
  }

  close(): void {
    this.reader.close();
    process.stdin.destroy(); // else an open terminal would keep the process alive
  }

  private ask(): void {
    // The end of the input may come while a turn is answered: newer Nodes refuse a prompt after it.
    if (this.isTerminal && !this.isClosed) this.reader.prompt();
  }
}
