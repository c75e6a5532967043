import * as vscode from 'vscode';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';

/** What menus and other code may pass to a command that works on a model. */
export type ModelArgument = vscode.Uri | { readonly model?: string } | undefined;

/** The model a command is about: its argument, the editor in use, or one that the person picks. */
export async function targetSession(
  services: Services,
  argument: ModelArgument,
): Promise<ModelSession | undefined> {
  const { sessions } = services;
  if (argument instanceof vscode.Uri) return sessions.get(argument.fsPath);
  if (argument?.model !== undefined) return sessions.get(argument.model);
  if (sessions.active) return sessions.active;
  const found = await vscode.workspace.findFiles('**/*.{safetensors,gguf}', '**/node_modules/**', 200);
  if (found.length === 0) {
    services.notices.info('The workspace has no .safetensors or .gguf file.');
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    found.map((uri) => ({ label: vscode.workspace.asRelativePath(uri), uri })),
    { title: 'Quantscope: choose a model' },
  );
  return picked && sessions.get(picked.uri.fsPath);
}
