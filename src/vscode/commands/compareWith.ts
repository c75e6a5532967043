import * as vscode from 'vscode';
import type { ModelComparisonState } from '../../protocol/webview';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { Services } from '../services';
import { targetSession, type ModelArgument } from './targets';

/** Arguments that other code may pass; with `other` nothing is asked. */
type Argument = ModelArgument & { readonly other?: string };

/** Compare With…: another model of any format, tensor by tensor, on the Compare tab of the editor. */
export function registerCompareWith(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.compareWith,
    async (argument?: Argument): Promise<ModelComparisonState | undefined> => {
      const session = await targetSession(services, argument);
      if (!session) return undefined;
      const other = argument?.other ?? (await pickOther(session.path));
      if (other === undefined) return undefined;
      if (services.sessions.active !== session) await openEditor(services, session.path);
      return session.compareWith(other);
    },
  );
}

/** A model of the workspace, or a file from elsewhere. */
async function pickOther(path: string): Promise<string | undefined> {
  const found = await vscode.workspace.findFiles('**/*.{safetensors,gguf}', '**/node_modules/**', 200);
  const browse = { label: '$(folder-opened) Browse…', path: undefined };
  const models = found
    .filter(({ fsPath }) => fsPath !== path)
    .map((uri) => ({ label: vscode.workspace.asRelativePath(uri), path: uri.fsPath }));
  const picked = await vscode.window.showQuickPick([...models, browse], {
    title: 'Compare with which model?',
  });
  if (!picked || picked.path !== undefined) return picked?.path;
  const files = await vscode.window.showOpenDialog({
    filters: { Models: ['safetensors', 'gguf', 'json'] },
    title: 'Compare with',
  });
  return files?.[0]?.fsPath;
}
