import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type * as vscode from 'vscode';
import { whileWanted } from '../../../src/vscode/cancellation';

/** A token that lives for longer than what listens to it. */
class LongToken {
  isCancellationRequested = false;
  readonly events = new EventEmitter();

  readonly onCancellationRequested = (listener: (event: unknown) => unknown): vscode.Disposable => {
    this.events.on('cancelled', listener);
    return { dispose: () => this.events.off('cancelled', listener) };
  };

  cancel(): void {
    this.isCancellationRequested = true;
    this.events.emit('cancelled');
  }
}

describe('work that a token cancels', () => {
  it('has a signal that fires while it goes on', async () => {
    const token = new LongToken();
    const reached = whileWanted(
      token,
      (signal) => new Promise((done) => signal.addEventListener('abort', () => done('cancelled'))),
    );
    token.cancel();
    expect(await reached).toBe('cancelled');
  });

  it('begins cancelled where the token is', async () => {
    const token = new LongToken();
    token.cancel();
    expect(await whileWanted(token, (signal) => Promise.resolve(signal.aborted))).toBe(true);
  });

  it('leaves nothing with the token, whether it succeeds or fails', async () => {
    const token = new LongToken();
    expect(await whileWanted(token, () => Promise.resolve(1))).toBe(1);
    await expect(whileWanted(token, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(token.events.listenerCount('cancelled')).toBe(0);
  });

  it('goes on without a token', async () => {
    expect(await whileWanted(undefined, (signal) => Promise.resolve(signal.aborted))).toBe(false);
  });
});
