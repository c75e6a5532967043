import type * as vscode from 'vscode';

/**
 * Does something with a signal that fires when a token is cancelled. Tokens of others may live for longer than the work: nothing of it stays with them.
 * @param token absent where the caller cannot cancel.
 */
export async function whileWanted<T>(
  token: vscode.CancellationToken | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  if (token?.isCancellationRequested) controller.abort();
  const listening = token?.onCancellationRequested(() => controller.abort());
  try {
    return await work(controller.signal);
  } finally {
    listening?.dispose();
  }
}
