import * as vscode from 'vscode';
import { viewTypeOf } from '../paths';
import type { Editors, EditorRequest } from './editors';

/** Opens a model's editor, or brings it to the front, and shows something in it. */
export async function openEditor(
  { editors }: { readonly editors: Editors },
  path: string,
  request: EditorRequest = {},
): Promise<void> {
  await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(path), viewTypeOf(path));
  editors.show(path, request);
}
