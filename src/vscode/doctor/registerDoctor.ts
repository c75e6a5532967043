import { basename } from 'node:path';
import * as vscode from 'vscode';
import { QuantscopeError } from '../../model/errors';
import type { DoctorResult } from '../../protocol/doctor';
import { size } from '../../protocol/words';
import { targetSession, type ModelArgument } from '../commands/targets';
import { withProgress } from '../commands/withProgress';
import { commands } from '../contributions';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { FixActions, type FixArgument } from './fixActions';
import { noticeText } from '../noticeText';

/** Run Checkpoint Doctor, and what links and quick fixes of its findings call. */
export function registerDoctor(services: Services): vscode.Disposable {
  const { problems, context } = services;
  return vscode.Disposable.from(
    vscode.commands.registerCommand(commands.runDoctor, async (argument?: ModelArgument) => {
      const session = await targetSession(services, argument);
      return session ? examine(services, session) : undefined;
    }),
    vscode.commands.registerCommand(commands.fixFinding, (argument: FixArgument) => fix(services, argument)),
    vscode.commands.registerCommand(commands.explainFinding, (code: string) => explain(context, code)),
    vscode.languages.registerCodeActionsProvider(
      FixActions.selector,
      new FixActions(problems),
      FixActions.metadata,
    ),
  );
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function examine(services: Services, session: ModelSession): Promise<DoctorResult | undefined> {
  const { examinations, notices, log, start } = services;
  try {
    const title = vscode.l10n.t('Checkpoint Doctor: {0}', basename(session.path));
    const result = await withProgress(title, (call) => examinations.run(session.ref, call));
    start(announce(services, session, result));
    return result;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return undefined;
    log.error(`Checkpoint Doctor: ${messageOf(error)}`);
    void notices.error(vscode.l10n.t('The model could not be examined. {0}', shownMessage(error)));
    return undefined;
  }
}

async function announce(
  { notices }: Services,
  { path }: ModelSession,
  { findings, omitted, checkedBytes }: DoctorResult,
): Promise<void> {
  const count = findings.length + omitted;
  const name = basename(path);
  if (count === 0)
    return notices.info(
      vscode.l10n.t('{0}: nothing wrong was found; {1} of weights were read.', name, size(checkedBytes)),
    );
  const show = vscode.l10n.t('Show Problems');
  const message =
    count === 1 ? vscode.l10n.t('{0}: one finding.', name) : vscode.l10n.t('{0}: {1} findings.', name, count);
  if ((await vscode.window.showWarningMessage(noticeText(message), show)) === show)
    await vscode.commands.executeCommand('workbench.actions.view.problems');
}

/** @returns undefined when it failed; a notice has said why. */
async function fix(
  { examinations, notices, log }: Services,
  { model, code, file }: FixArgument,
): Promise<DoctorResult | undefined> {
  try {
    const open = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === file);
    // The fix is applied to the file: what was typed must be in it.
    if (open?.isDirty && !(await open.save())) return undefined;
    return await examinations.fix(model, code);
  } catch (error) {
    log.error(`Fix of ${code}: ${messageOf(error)}`);
    void notices.error(vscode.l10n.t('The fix was not applied. {0}', shownMessage(error)));
    return undefined;
  }
}

/** Opens the section of a code in docs/DOCTOR.md. */
async function explain({ extensionUri }: vscode.ExtensionContext, code: string): Promise<void> {
  const page = vscode.Uri.joinPath(extensionUri, 'docs', 'DOCTOR.md');
  const fragment = code.toLowerCase().replace(/[^\w-]/g, '');
  await vscode.commands.executeCommand('markdown.showPreview', page.with({ fragment }));
}
