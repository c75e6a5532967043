import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import * as vscode from 'vscode';
import { folderBeside, outputFolder } from '../remote/modelUri';
import type { QuantizeModelResult, QuantizeModelSettings } from '../../protocol/quantizeModel';
import type { OutputName, QuantizationStart, ResolvedOutput } from '../../protocol/quantizationView';
import type { WebviewRequests } from '../../protocol/webview';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { ModelSession } from '../modelSession';
import { freeFolder, recipeName, sessionKey } from '../paths';
import type { QuantizationSession } from '../quantizationSession';
import { chosenDevice, type Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with `settings` and `out` the run starts at once, else the tab with the form opens. */
type Argument = ModelArgument & { readonly settings?: QuantizeModelSettings; readonly out?: string };

/** Quantize Model…: configured on its tab of the editor. */
export function registerQuantizeModel(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.quantizeModel,
    async (argument?: Argument): Promise<QuantizeModelResult | undefined> => {
      const session = await wholeSession(services, argument);
      if (!session) return undefined;
      if (argument?.settings && argument.out !== undefined)
        return quantizeModel(services, session, { settings: argument.settings, out: argument.out });
      await openEditor(services, session, { tab: 'quantizeModel' });
      return undefined;
    },
  );
}

/** Asks for the folder of a result, or for its file; undefined when the user cancelled. */
export async function chooseOutput(
  session: ModelSession,
  name: OutputName,
): Promise<{ path: string } | undefined> {
  const { target } = name;
  const isFolder = target !== 'gguf';
  const chosen = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(suggestedOutput(session, name)),
    title: isFolder
      ? vscode.l10n.t('New folder for the quantized model')
      : vscode.l10n.t('File for the quantized model'),
    ...(isFolder ? {} : { filters: { [target.toUpperCase()]: [target] } }),
  });
  return chosen && { path: chosen.fsPath };
}

/** Where a result goes: the path as typed, beside the folder of the model where it is relative, or one that is suggested. */
export async function resolveOutput(
  { engine }: Services,
  session: ModelSession,
  { path: typed = '', ...name }: WebviewRequests['resolveOutput']['params'],
  signal: AbortSignal,
): Promise<ResolvedOutput> {
  const path =
    typed.trim() === '' ? suggestedOutput(session, name) : resolve(folderBeside(session.folder), typed);
  const params = { ...session.ref, out: path, target: name.target };
  return { path, ...(await engine.call('model/checkOutput', params, { signal })) };
}

/** A new folder next to that of the model; a file in it. */
function suggestedOutput({ folder, fileName }: ModelSession, { recipe, target }: OutputName): string {
  const name = `${fileName}-${recipe}`;
  if (target === 'gguf') return join(outputFolder(folder), `${name}.gguf`);
  return freeFolder(join(folderBeside(folder), name));
}

/** Quantizes the whole model. @returns undefined when it ended without a result, which the tab or a notice has reported. */
export async function quantizeModel(
  services: Services,
  session: ModelSession,
  { settings, out }: QuantizationStart,
): Promise<QuantizeModelResult | undefined> {
  const overwrite = existsSync(out);
  if (overwrite && !(await mayReplace(out))) return undefined;
  const run = services.quantizations.get(session.ref);
  const output = { out, device: chosenDevice(), ...(overwrite ? { overwrite } : {}) };
  const title = `${recipeName(settings)} → ${basename(out)}`;
  return announced(services, run, () => run.run({ title, settings, output }));
}

async function mayReplace(out: string): Promise<boolean> {
  const replace = vscode.l10n.t('Replace');
  const message = vscode.l10n.t(
    '{0} exists. It is replaced only if it is the result of an earlier quantization.',
    basename(out),
  );
  return (await vscode.window.showWarningMessage(message, { modal: true }, replace)) === replace;
}

/** Runs; where no editor shows the end of it, a notice does. */
export async function announced<T>(
  services: Services,
  run: QuantizationSession,
  work: () => Promise<T>,
): Promise<T> {
  const result = await work();
  if (!services.editors.has(sessionKey(run.model))) services.start(announce(services, run));
  return result;
}

async function announce(services: Services, { model, activity }: QuantizationSession): Promise<void> {
  const { title, outcome } = activity ?? {};
  if (!outcome || outcome.kind === 'cancelled') return;
  const show = vscode.l10n.t('Show');
  const answer =
    outcome.kind === 'quantized'
      ? await vscode.window.showInformationMessage(
          noticeText(vscode.l10n.t('{0}: finished.', title ?? '')),
          show,
        )
      : await vscode.window.showErrorMessage(noticeText(`${title}: ${inLanguage(outcome.message)}`), show);
  if (answer === show)
    await openEditor(services, { path: model.path, key: sessionKey(model) }, { tab: 'quantizeModel' });
}

/** What the user does with the result of the last quantization. */
export async function useQuantized(
  services: Services,
  session: ModelSession,
  what: WebviewRequests['useQuantized']['params']['what'],
): Promise<void> {
  const out = services.quantizations.get(session.ref).result;
  if (out === undefined) return;
  if (what === 'folder') return reveal(out);
  const file = await services.workspaceModels.fileOf(out);
  if (what === 'compare') {
    const target = { model: session.path, alone: session.alone, other: file };
    await vscode.commands.executeCommand(commands.compareWith, target);
    return;
  }
  const quantized = services.sessions.get(file);
  await openEditor(services, quantized, what === 'evaluate' ? { tab: 'evaluate' } : {});
}

/** Shows a folder or file in the explorer, or in that of the operating system where it is outside the workspace. */
async function reveal(out: string): Promise<void> {
  const uri = vscode.Uri.file(out);
  const isInside = vscode.workspace.getWorkspaceFolder(uri) !== undefined;
  await vscode.commands.executeCommand(isInside ? 'revealInExplorer' : 'revealFileInOS', uri);
}
