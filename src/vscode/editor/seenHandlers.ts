import { join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { writeAtomically } from '../../files/atomicFile';
import { modelInputs } from '../../files/inputs';
import { QuantscopeError } from '../../model/errors';
import type { Handlers } from '../../protocol/rpc';
import { seenFiles, type SeenFile } from '../../protocol/seen';
import type { WebviewRequests } from '../../protocol/webview';
import { commands } from '../contributions';
import type { ModelSession } from '../modelSession';
import { fileNameOf } from '../paths';

type SeenHandlers = Pick<Handlers<WebviewRequests>, 'saveSeen' | 'copyText' | 'exportReport' | 'copySummary'>;

/** What the page shows, as files and on the clipboard. */
export function seenHandlers(session: ModelSession): SeenHandlers {
  const target = { model: session.path, alone: session.alone };
  return {
    exportReport: async () => void (await vscode.commands.executeCommand(commands.exportReport, target)),
    copySummary: async () => void (await vscode.commands.executeCommand(commands.copySummary, target)),
    saveSeen: (file) => saveSeen(session, file),
    copyText: async ({ text }) => vscode.env.clipboard.writeText(text),
  };
}

/** @throws QuantscopeError REQUEST for a kind that there is not, IO, and where the target is a file of the model. */
async function saveSeen(
  session: ModelSession,
  { name, kind, content }: SeenFile,
): Promise<{ out: string } | undefined> {
  if (!Object.hasOwn(seenFiles, kind))
    throw new QuantscopeError('REQUEST', vscode.l10n.t('There are no files of the kind "{0}".', kind));
  const { label, isBase64 } = seenFiles[kind];
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(session.folder), `${fileNameOf(name)}.${kind}`)),
    filters: { [label]: [kind] },
    title: vscode.l10n.t('Save as {0}', label),
  });
  if (!target) return undefined;
  const inputs = session.description && (await modelInputs(session.description));
  const bytes = Buffer.from(content, isBase64 ? 'base64' : 'utf8');
  await writeAtomically(target.fsPath, (file) => file.write(bytes), inputs);
  return { out: target.fsPath };
}
