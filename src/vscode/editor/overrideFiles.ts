import { join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { planOverrides } from '../../exporter/plan/overrides';
import { writeAtomically } from '../../files/atomicFile';
import { modelInputs } from '../../files/inputs';
import { QuantscopeError } from '../../model/errors';
import { overrideFiles, type OverrideKind } from '../../protocol/overrides';
import type { ModelSession } from '../modelSession';

/**
 * Asks for a target and writes the plan of a session as settings of another tool.
 * @returns what the user should know; undefined when the user cancelled.
 * @throws QuantscopeError REQUEST where there is no plan, or it cannot be written so.
 */
export async function saveOverrides(
  session: ModelSession,
  kind: OverrideKind,
): Promise<{ notes: readonly string[] } | undefined> {
  const { plan, description } = session;
  if (!plan)
    throw new QuantscopeError(
      'REQUEST',
      vscode.l10n.t('There is no plan yet: run the sensitivity analysis first.'),
    );
  const { text, notes } = planOverrides(plan, kind);
  const { label, ending } = overrideFiles[kind];
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(session.folder), `${session.fileName}.${ending}`)),
    title: vscode.l10n.t('Save the plan for {0}', label),
  });
  if (!target) return undefined;
  const inputs = description && (await modelInputs(description));
  await writeAtomically(target.fsPath, (file) => file.write(Buffer.from(text)), inputs);
  return { notes };
}
