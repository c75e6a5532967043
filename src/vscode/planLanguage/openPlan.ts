import * as vscode from 'vscode';
import { pickModel } from '../commands/targets';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import { messageOf, shownMessage } from '../host';
import { pathOf } from '../remote/modelUri';
import type { Services } from '../services';
import type { DocumentChecks } from './documentChecks';
import { activePlan } from './planFiles';

/** Open in Plan Page: the plan of a file in the editor of its model. @returns whether it is shown. */
export function registerOpenPlan(services: Services, checks: DocumentChecks): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.openPlan,
    async (argument?: vscode.Uri): Promise<boolean> => {
      const file = argument ?? activePlan();
      if (!file) return false;
      try {
        return await open(services, checks, file);
      } catch (error) {
        services.log.error(`Plan ${file.fsPath}: ${messageOf(error)}`);
        void services.notices.error(shownMessage(error));
        return false;
      }
    },
  );
}

async function open(services: Services, checks: DocumentChecks, file: vscode.Uri): Promise<boolean> {
  const document = await vscode.workspace.openTextDocument(file);
  // The page shows the file: what was typed must be in it.
  if (document.isDirty && !(await document.save())) return false;
  const known = (await checks.of(document))?.model?.path;
  const title = vscode.l10n.t('Which model is the plan for?');
  const model = known ?? (await pickModel(services, title));
  if (model === undefined) return false;
  const session = services.sessions.get(model);
  await openEditor(services, session, { tab: 'plan' });
  await session.ensureLoaded();
  await session.plans.show(pathOf(file));
  return true;
}
