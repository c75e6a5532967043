import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { folderBeside } from '../remote/modelUri';
import { QuantscopeError } from '../../model/errors';
import type { OnnxForm, OnnxResult, OnnxSettings } from '../../protocol/exportOnnx';
import { size } from '../../protocol/words';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import { chooseFile } from '../editor/files';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import { freeFolder } from '../paths';
import { chosenDevice, type Services } from '../services';
import { isPossible, wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; what is present is not asked for. */
type Argument = ModelArgument & { readonly settings?: OnnxSettings; readonly out?: string };

/** Export ONNX…: the form of weights in a quick pick, a calibration text where the form needs one, then the folder. */
export function registerExportOnnx(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.exportOnnx,
    async (argument?: Argument): Promise<OnnxResult | undefined> => {
      const session = await wholeSession(services, argument);
      if (!session || !(await isPossible(services, session, 'onnx'))) return undefined;
      const settings = argument?.settings ?? (await pickSettings(services, session));
      if (!settings) return undefined;
      const out = argument?.out ?? (await askFolder(session, settings.weights));
      return out === undefined ? undefined : runExport(services, session, settings, out);
    },
  );
}

async function pickSettings(services: Services, session: ModelSession): Promise<OnnxSettings | undefined> {
  const forms = await services.engine.call('export/onnxForms', {});
  const items = forms.map((form) => ({
    label: form.id,
    description: form.label,
    detail: form.description,
    form,
  }));
  const picked = await vscode.window.showQuickPick<vscode.QuickPickItem & { readonly form: OnnxForm }>(
    items,
    {
      title: vscode.l10n.t('Export ONNX: how weights are stored'),
      ...{ matchOnDescription: true, matchOnDetail: true },
    },
  );
  if (!picked) return undefined;
  const { id, needsText } = picked.form;
  if (!needsText) return { weights: id };
  const text = await chooseFile(session, 'text');
  return text && { weights: id, text: text.path };
}

async function askFolder(session: ModelSession, weights: string): Promise<string | undefined> {
  const folder = freeFolder(join(folderBeside(session.folder), `${session.fileName}-onnx-${weights}`));
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(folder),
    title: vscode.l10n.t('Folder for the ONNX model'),
  });
  return target?.fsPath;
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function runExport(
  services: Services,
  session: ModelSession,
  settings: OnnxSettings,
  out: string,
): Promise<OnnxResult | undefined> {
  const { engine, log, notices, evidenceDir: cacheDir } = services;
  try {
    const result = await withProgress(vscode.l10n.t('Export ONNX {0}', settings.weights), (call) =>
      engine.call(
        'export/onnx',
        { ...session.ref, ...settings, out, cacheDir, device: chosenDevice() },
        { ...call, title: vscode.l10n.t('Export {0}', basename(out)) },
      ),
    );
    services.start(announce(result));
    return result;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return undefined;
    log.error(`Export ONNX: ${messageOf(error)}`);
    services.start(notices.error(vscode.l10n.t('The export failed. {0}', shownMessage(error))));
    return undefined;
  }
}

async function announce({ out, files, fileBytes, bitsPerWeight, seconds, notes }: OnnxResult): Promise<void> {
  const show = vscode.l10n.t('Show Folder');
  const figures = vscode.l10n.t(
    '{0}, {1} bits per weight, {2} s',
    size(fileBytes),
    bitsPerWeight.toFixed(2),
    seconds.toFixed(1),
  );
  const message = [
    vscode.l10n.t('Exported {0}: {1}.', basename(out), figures),
    ...notes.map(inLanguage),
  ].join(' ');
  if ((await vscode.window.showInformationMessage(noticeText(message), show)) !== show) return;
  await vscode.commands.executeCommand('revealFileInOS', vscode.Uri.file(join(out, files[0]!.name)));
}
