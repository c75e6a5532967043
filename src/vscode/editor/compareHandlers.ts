import * as vscode from 'vscode';
import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import { pickModel } from '../commands/targets';
import { commands } from '../contributions';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';

type CompareHandlers = Pick<
  Handlers<WebviewRequests>,
  'compareWith' | 'compareWithAdapters' | 'compareThird' | 'overlay' | 'spectrum'
>;

/** Requests of the Compare tab. Comparisons are started, not awaited: events report their progress. */
export function compareHandlers(services: Services, session: ModelSession): CompareHandlers {
  const { engine, start } = services;
  const target = { model: session.path, alone: session.alone };
  return {
    compareWith: async () => void (await vscode.commands.executeCommand(commands.compareWith, target)),
    compareWithAdapters: async () =>
      void (await vscode.commands.executeCommand(commands.compareWithAdapters, target)),
    compareThird: async () => {
      const title = vscode.l10n.t('Which of both is closer to {0}? Choose the second', session.fileName);
      const third = await pickModel(services, title, session.path);
      if (third !== undefined) start(session.compareThird(third));
    },
    overlay: (params, { signal, progress }) =>
      engine.call('tensor/overlay', { ...session.ref, ...params }, { signal, onProgress: progress }),
    spectrum: (params, { signal, progress }) =>
      engine.call(
        'tensor/spectrum',
        { ...session.ref, ...params },
        { signal, onProgress: progress, title: vscode.l10n.t('Singular values of {0}', params.tensor) },
      ),
  };
}
