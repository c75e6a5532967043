import * as vscode from 'vscode';

/** How long a file must be quiet before it is reported (milliseconds): writers write in pieces. */
const changeDelay = 500;

/** Calls back with each written file directly in a folder, once writing has stopped. */
export function watchFiles(folder: vscode.Uri, changed: (file: string) => void): vscode.Disposable {
  const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(folder, '*'));
  const timers = new Map<string, NodeJS.Timeout>();
  const later = ({ fsPath }: vscode.Uri): void => {
    clearTimeout(timers.get(fsPath));
    const report = (): void => {
      timers.delete(fsPath);
      changed(fsPath);
    };
    timers.set(fsPath, setTimeout(report, changeDelay));
  };
  watcher.onDidChange(later);
  watcher.onDidCreate(later);
  return vscode.Disposable.from(watcher, { dispose: () => timers.forEach((timer) => clearTimeout(timer)) });
}
