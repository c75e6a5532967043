import * as vscode from 'vscode';
import { planEnding } from '../../ampq/planFile';
import { settings } from '../contributions';
import { watchFiles } from '../editor/watchFiles';
import type { Services } from '../services';
import { Throttle } from '../throttle';

/** Milliseconds between two drawings, while many files change. */
const interval = 1_000;

/** Settings that choose the measurements by which a model is planned. */
const measured = [settings.importanceMatrix, settings.backend];

/**
 * Calls back when what lenses of models say may have changed: weights that come or go, plan files of the workspace, measurements, plans that editors show,
 * and settings.
 */
export function lensChanges(
  { workspaceModels, sessions, sensitivityDir }: Services,
  changed: () => void,
): vscode.Disposable {
  const files = new Throttle(changed, interval);
  const ask = (): void => files.ask();
  const plans = vscode.workspace.createFileSystemWatcher(`**/*${planEnding}`);
  return vscode.Disposable.from(
    ...[files, plans, plans.onDidCreate(ask), plans.onDidChange(ask), plans.onDidDelete(ask)],
    watchFiles(vscode.Uri.file(sensitivityDir), { written: ask, removed: ask }),
    workspaceModels.onChange(ask),
    sessions.onActive(changed),
    sessions.onEvent(({ event }) => event.name === 'plan' && changed()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (measured.some((name) => change.affectsConfiguration(`${settings.section}.${name}`))) changed();
    }),
  );
}
