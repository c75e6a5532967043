import * as vscode from 'vscode';

/** How long a file must be quiet before it is reported (milliseconds): writers write in pieces. */
const changeDelay = 500;

/** What is called with each file directly in a folder that was written, once writing has stopped, or removed. */
export interface FileListener {
  readonly written: (file: string) => void;
  readonly removed: (file: string) => void;
}

export function watchFiles(folder: vscode.Uri, { written, removed }: FileListener): vscode.Disposable {
  const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(folder, '*'));
  const timers = new Map<string, NodeJS.Timeout>();
  const later = ({ fsPath }: vscode.Uri): void => {
    clearTimeout(timers.get(fsPath));
    const report = (): void => {
      timers.delete(fsPath);
      written(fsPath);
    };
    timers.set(fsPath, setTimeout(report, changeDelay));
  };
  watcher.onDidChange(later);
  watcher.onDidCreate(later);
  watcher.onDidDelete(({ fsPath }) => removed(fsPath));
  return vscode.Disposable.from(watcher, { dispose: () => timers.forEach((timer) => clearTimeout(timer)) });
}
