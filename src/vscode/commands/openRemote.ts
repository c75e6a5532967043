import * as vscode from 'vscode';
import { hubAddress, isRemote } from '../../model/remote/address';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { Services } from '../services';
import { askAddress, remoteModel } from './remoteModel';

/** Open Remote Model…, and the tokens that servers want. */
export function registerOpenRemote(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(commands.openRemoteModel, async (address?: string): Promise<void> => {
      const given = address ?? (await askAddress(vscode.l10n.t('Quantscope: open a model on a server')));
      const file = given === undefined ? undefined : await remoteModel(services, given);
      if (file !== undefined) await openEditor(services, services.sessions.get(file));
    }),
    vscode.commands.registerCommand(commands.setRemoteToken, () => setToken(services)),
    vscode.commands.registerCommand(commands.forgetRemoteTokens, () => forgetTokens(services)),
  );
}

async function forgetTokens({ remoteAccess, notices }: Services): Promise<void> {
  await remoteAccess.forget();
  notices.info(vscode.l10n.t('Tokens and signatures of models on servers are forgotten.'));
}

async function setToken({ remoteAccess, sessions, notices }: Services): Promise<void> {
  const session = sessions.active && isRemote(sessions.active.path) ? sessions.active : undefined;
  const value = new URL(session?.path ?? hubAddress()).origin;
  const server = await vscode.window.showInputBox({
    ...{
      title: vscode.l10n.t('Quantscope: set a token for remote models (1 of 2)'),
      value,
      ignoreFocusOut: true,
    },
    prompt: vscode.l10n.t('The server that the token is sent to, and no other.'),
    validateInput: (text) =>
      URL.canParse(text) && isRemote(text) ? undefined : vscode.l10n.t('A server is https://HOST.'),
  });
  if (server === undefined) return;
  const { origin, host } = new URL(server);
  const token = await vscode.window.showInputBox({
    ...{
      title: vscode.l10n.t('Quantscope: set a token for remote models (2 of 2)'),
      password: true,
      ignoreFocusOut: true,
    },
    prompt: vscode.l10n.t('Access token for {0}; VS Code keeps it in its secret storage.', host),
  });
  if (token === undefined || token.trim() === '') return;
  await remoteAccess.setToken(origin, token.trim());
  notices.info(vscode.l10n.t('The token for {0} is kept.', host));
  await session?.reload();
}
