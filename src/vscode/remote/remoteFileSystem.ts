import * as vscode from 'vscode';
import { remoteScheme } from './remoteParts';

/**
 * Makes documents of the scheme known to VS Code, which opens editors only for those. Models are read by the engine, by ranges: VS Code itself
 * gets no byte of them.
 */
export function registerRemoteFileSystem(): vscode.Disposable {
  const refuse = (uri: vscode.Uri): never => {
    throw vscode.FileSystemError.NoPermissions(uri);
  };
  const provider: vscode.FileSystemProvider = {
    onDidChangeFile: new vscode.EventEmitter<vscode.FileChangeEvent[]>().event,
    watch: () => ({ dispose: () => undefined }),
    stat: () => ({ type: vscode.FileType.File, ctime: 0, mtime: 0, size: 0 }),
    readDirectory: () => [],
    readFile: refuse,
    writeFile: refuse,
    createDirectory: refuse,
    delete: refuse,
    rename: refuse,
  };
  return vscode.workspace.registerFileSystemProvider(remoteScheme, provider, {
    ...{ isReadonly: true, isCaseSensitive: true },
  });
}
