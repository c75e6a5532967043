import { join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { planFileName, printPlan } from '../../ampq/planFile';
import { writeAtomically } from '../../files/atomicFile';
import { modelInputs } from '../../files/inputs';
import type { Budget } from '../../protocol/plan';
import { commands } from '../contributions';
import type { Services } from '../services';
import { targetSession, type ModelArgument } from './targets';

type SaveArgument = ModelArgument & { readonly budget?: Budget; readonly out?: string };

/** Save Plan…: the plan in the editor, solved for the budget that is given, as a text file. */
export function registerSavePlan(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.savePlan, async (argument?: SaveArgument) => {
    const session = await targetSession(services, argument);
    if (!session) return undefined;
    await session.ensureLoaded();
    if (argument?.budget) session.plans.solve(argument.budget);
    if (!session.plan) {
      services.notices.info(vscode.l10n.t('There is no plan yet: run the sensitivity analysis first.'));
      return undefined;
    }
    const name = `${session.fileName}-${session.plan.total.bitsPerWeight.toFixed(2)}bpw`;
    const suggested = join(outputFolder(session.folder), planFileName(name));
    const target = argument?.out
      ? vscode.Uri.file(argument.out)
      : await vscode.window.showSaveDialog({
          defaultUri: vscode.Uri.file(suggested),
          // Simple dialogs append the whole extension to a name without it, even where the name ends with "json".
          filters: { [vscode.l10n.t('AMPQ plan')]: ['json'] },
        });
    if (!target) return undefined;
    const out = planFileName(target.fsPath);
    const { plan, description } = session;
    const inputs = description && (await modelInputs(description));
    await writeAtomically(out, (file) => file.write(Buffer.from(printPlan(plan))), inputs);
    return { out };
  });
}
