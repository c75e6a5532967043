import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import type { EvaluationView } from '../../protocol/evaluationView';
import type { ModelSession } from '../modelSession';
import { chooseFile } from './files';

type Texts = Omit<EvaluationView['suggestions'], 'device'>;

/** Likely names of such a text, best first. */
const textNames = {
  text: [/eval.*\.(txt|raw)$/i, /test.*\.(txt|raw)$/i, /valid.*\.(txt|raw)$/i],
  calibrationText: [/calib.*\.(txt|raw)$/i, /train.*\.(txt|raw)$/i],
} as const;

export async function textsBeside(folder: string): Promise<Texts> {
  const names = (await readdir(folder).catch(() => [])).sort();
  const found = Object.entries(textNames).flatMap(([purpose, patterns]) => {
    const name = patterns.map((pattern) => names.find((item) => pattern.test(item))).find(Boolean);
    return name === undefined ? [] : [[purpose, join(folder, name)]];
  });
  return Object.fromEntries(found) as Texts;
}

/**
 * Asks which text sensitivity is measured over: one next to the model, a calibration text first, or any other.
 * @returns undefined when the user cancelled.
 */
export async function askText(session: ModelSession): Promise<string | undefined> {
  const { text, calibrationText } = await textsBeside(session.folder);
  const suggested = [calibrationText, text].flatMap((path) =>
    path === undefined
      ? []
      : [{ label: `$(file) ${basename(path)}`, description: vscode.l10n.t('next to the model'), path }],
  );
  const other = { label: vscode.l10n.t('$(folder-opened) Choose a File…'), description: '', path: undefined };
  const picked =
    suggested.length === 0
      ? other
      : await vscode.window.showQuickPick([...suggested, other], {
          title: vscode.l10n.t('Quantscope: run sensitivity over a text'),
          placeHolder: vscode.l10n.t('A text typical of the model’s use; about 2,000 tokens of it are read'),
          ignoreFocusOut: true, // the page may take the focus back after its button was pressed
        });
  if (!picked) return undefined;
  return picked.path ?? (await chooseFile(session, 'text'))?.path;
}
