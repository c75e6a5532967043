import { homedir } from 'node:os';
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { isRemote } from '../../model/remote/address';
import { pathOfParts, remoteParts, remoteScheme } from './remoteParts';

/** The document of a model's path. */
export const uriOf = (path: string): vscode.Uri =>
  isRemote(path) ? vscode.Uri.from(remoteParts(path)) : vscode.Uri.file(path);

/** The path of a model's document. */
export const pathOf = (uri: vscode.Uri): string =>
  uri.scheme === remoteScheme ? pathOfParts(uri) : uri.fsPath;

/** Where dialogs for files that are made from a model begin: in its folder, or of one on a server in that of the workspace. */
export const outputFolder = (folder: string): string =>
  isRemote(folder) ? (vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? homedir()) : folder;

/** The same for folders, which do not lie in that of a model. */
export const folderBeside = (folder: string): string =>
  isRemote(folder) ? outputFolder(folder) : dirname(folder);
