import { join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { madeBy, type ReportParams, type SavedReport } from '../../protocol/report';
import { size } from '../../protocol/words';
import { commands } from '../contributions';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import { fileNameOf } from '../paths';
import type { Services } from '../services';
import { targetSession, type ModelArgument } from './targets';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with `out` nothing is asked. */
type ReportArgument = ModelArgument & { readonly out?: string };

/** Export Report…: what is known of a model as one page; Copy Summary as Markdown: the same for an issue or a card. */
export function registerReport(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(commands.exportReport, async (argument?: ReportArgument) => {
      const session = await targetSession(services, argument);
      if (!session) return undefined;
      const out = argument?.out ?? (await askTarget(session));
      return out === undefined ? undefined : exportReport(services, session, out);
    }),
    vscode.commands.registerCommand(commands.copySummary, async (argument?: ModelArgument) => {
      const session = await targetSession(services, argument);
      if (session) await copySummary(services, session);
    }),
  );
}

const paramsOf = (
  { sensitivityDir: cacheDir, evidenceDir: evaluationDir }: Services,
  { ref }: ModelSession,
): ReportParams => ({ ...ref, cacheDir, evaluationDir });

async function askTarget(session: ModelSession): Promise<string | undefined> {
  await session.ensureLoaded();
  const name = fileNameOf(session.description?.name ?? session.fileName);
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(session.folder), `${name}.report.html`)),
    filters: { [vscode.l10n.t('Web page')]: ['html'], Markdown: ['md'] },
    title: vscode.l10n.t('Export Report'),
  });
  return target?.fsPath;
}

/** @returns undefined when it failed; a notice has said why. */
async function exportReport(
  services: Services,
  session: ModelSession,
  out: string,
): Promise<SavedReport | undefined> {
  const { engine, log, notices, start, context } = services;
  try {
    const { version } = context.extension.packageJSON as { version: string };
    const params = { ...paramsOf(services, session), out, made: madeBy(version, new Date()) };
    const saved = await engine.call('model/report', params);
    start(announce(saved));
    return saved;
  } catch (error) {
    log.error(`Report: ${messageOf(error)}`);
    start(notices.error(vscode.l10n.t('The report was not written. {0}', shownMessage(error))));
    return undefined;
  }
}

async function announce({ out, bytes }: SavedReport): Promise<void> {
  const open = vscode.l10n.t('Open');
  const message = vscode.l10n.t(
    'Written {0}: {1}.',
    fileNameOf(vscode.Uri.file(out).path.replace(/^.*\//, '')),
    size(bytes),
  );
  if ((await vscode.window.showInformationMessage(noticeText(message), open)) === open)
    await vscode.env.openExternal(vscode.Uri.file(out));
}

async function copySummary(services: Services, session: ModelSession): Promise<void> {
  const { engine, log, notices, start } = services;
  try {
    const { text } = await engine.call('model/summary', paramsOf(services, session));
    await vscode.env.clipboard.writeText(text);
    vscode.window.setStatusBarMessage(vscode.l10n.t('The summary is on the clipboard.'), 4000);
  } catch (error) {
    log.error(`Summary: ${messageOf(error)}`);
    start(notices.error(vscode.l10n.t('The summary was not made. {0}', shownMessage(error))));
  }
}
