import * as vscode from 'vscode';
import type { ChatResult, ChatSettings } from '../../protocol/chat';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import { chosenDevice, type Services } from '../services';
import { isPossible, wholeSession, type ModelArgument } from './targets';

/** Arguments that other code may pass; with `settings` the models answer at once, else the page opens. */
type ChatArgument = ModelArgument & {
  readonly settings?: Pick<ChatSettings, 'variant' | 'messages'> & Partial<ChatSettings>;
};

/** Chat with Variant…: a mode of the Evaluate page. */
export function registerChat(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.chat,
    async (argument?: ChatArgument): Promise<ChatResult | undefined> => {
      const session = await wholeSession(services, argument);
      if (!session || !(await isPossible(services, session, 'run'))) return undefined;
      if (argument?.settings)
        return services.engine.call(
          'chat/run',
          {
            ...{ ...session.ref, cacheDir: services.evidenceDir, device: chosenDevice() },
            ...argument.settings,
          },
          { title: vscode.l10n.t('Chat with a variant') },
        );
      await openEditor(services, session, { tab: 'chat' });
      return undefined;
    },
  );
}
