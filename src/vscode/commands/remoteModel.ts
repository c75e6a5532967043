import * as vscode from 'vscode';
import { isAddress, remotePlace } from '../../model/remote/address';
import { whileWanted } from '../cancellation';
import { shownMessage } from '../host';
import type { Services } from '../services';

/** Asks for an address; undefined when the user cancelled. */
export function askAddress(title: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title,
    prompt: vscode.l10n.t('Only headers and the tensors that you look at are fetched.'),
    placeHolder: vscode.l10n.t('hf://OWNER/MODEL, https://…/model.gguf, or a presigned address'),
    ignoreFocusOut: true,
    validateInput: problemOf,
  });
}

function problemOf(text: string): string | undefined {
  try {
    if (text.trim() !== '' && !isAddress(text.trim()))
      return vscode.l10n.t('An address begins with hf://, https:// or http://.');
    // What is typed may not be complete yet.
    if (/^\w+:\/\/[^/]+\/./.test(text.trim())) remotePlace(text.trim());
    return undefined;
  } catch (error) {
    return shownMessage(error);
  }
}

/** The file that identifies the model of an address, which is found while a notification says so; undefined where that was cancelled. */
export async function remoteModel(
  { engine, remoteAccess }: Services,
  address: string,
): Promise<string | undefined> {
  const { path, query } = remotePlace(address.trim());
  await remoteAccess.addQuery(path, query);
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Looking for a model at {0}', new URL(path).host),
    cancellable: true,
  };
  return vscode.window.withProgress(options, (_, token) =>
    whileWanted(token, async (signal) => {
      const located = engine.call('model/locate', { paths: [path] }, { signal });
      // Where none is found, the editor says why.
      const models = await located.catch(() => []);
      return signal.aborted ? undefined : (models[0]?.file ?? path);
    }),
  );
}
