import { join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { parseTensorTypes, printTensorTypes } from '../../exporter/plan/tensorTypes';
import { writeAtomically } from '../../files/atomicFile';
import { modelInputs } from '../../files/inputs';
import { maxRulesFile } from '../../model/limits';
import { readTextFile } from '../../model/textFile';
import type { TensorTypeRule } from '../../protocol/export';
import type { ModelSession } from '../modelSession';
import { askFile } from './files';

/** The rules that the export panel reads and writes. */

const filters = { [vscode.l10n.t('Tensor-type file')]: ['txt'], [vscode.l10n.t('All files')]: ['*'] };

/** @throws QuantscopeError REQUEST naming an invalid rule. */
export async function loadTensorTypes(
  session: ModelSession,
): Promise<{ rules: readonly TensorTypeRule[] } | undefined> {
  const path = await askFile(session, { title: vscode.l10n.t('Tensor-type file'), filters });
  return path === undefined
    ? undefined
    : { rules: parseTensorTypes(await readTextFile(path, maxRulesFile), path) };
}

export async function saveTensorTypes(
  session: ModelSession,
  rules: readonly TensorTypeRule[],
): Promise<void> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(session.folder), 'tensor-types.txt')),
    filters,
    title: vscode.l10n.t('Save the tensor-type rules'),
  });
  if (!target) return;
  const inputs = session.description && (await modelInputs(session.description));
  await writeAtomically(target.fsPath, (file) => file.write(Buffer.from(printTensorTypes(rules))), inputs);
}
