import * as vscode from 'vscode';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';

/** Recommend Plan: the Plan page of a model; measures the errors of its weights where nothing was measured yet. */
export function registerRecommend(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.recommendPlan, async (argument?: ModelArgument) => {
    const session = await wholeSession(services, argument);
    if (!session) return;
    await openEditor(services, session, { tab: 'plan' });
    await session.ensureLoaded();
    if (!session.sensitivity && session.job.kind !== 'running') await session.runSensitivity();
  });
}
