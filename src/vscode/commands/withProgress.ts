import * as vscode from 'vscode';
import type { CallOptions } from '../../engine/client';
import type { EngineProgress } from '../../protocol/engine';
import { size, timeLeft } from '../../protocol/words';
import { inLanguage } from '../../protocol/said';
import { whileWanted } from '../cancellation';
import { noticeText } from '../noticeText';

/** Runs a request to the engine under a notification that shows its progress and can cancel it. */
export async function withProgress<T>(
  title: string,
  run: (options: Required<Pick<CallOptions, 'signal' | 'onProgress'>>) => Promise<T>,
): Promise<T> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: noticeText(title),
    cancellable: true,
  };
  return vscode.window.withProgress(options, (notification, token) => {
    let shown = 0;
    const onProgress = (step: EngineProgress): void => {
      const share = step.total > 0 ? (100 * step.done) / step.total : 0;
      // The notification adds increments up and does not go back.
      notification.report({ message: noticeText(textOf(step)), increment: Math.max(0, share - shown) });
      shown = Math.max(shown, share);
    };
    return whileWanted(token, (signal) => run({ signal, onProgress }));
  });
}

function textOf({ message, done, total, unit, secondsLeft }: EngineProgress): string {
  const bytes = unit === 'bytes' ? vscode.l10n.t(': {0} of {1}', size(done), size(total)) : '';
  return `${inLanguage(message)}${bytes}${timeLeft(secondsLeft)}`;
}
