import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import type { LocatedModel, ModelLimits } from '../../protocol/model';
import { inLanguage } from '../../protocol/said';
import { modelEndings } from '../contributions';
import { pathOf } from '../remote/modelUri';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { askAddress, remoteModel } from './remoteModel';

/** What menus and other code may pass to a command that works on a model: a file, an index, a folder; `alone` where it is known what an editor shows of it. */
export type ModelArgument = vscode.Uri | { readonly model?: string; readonly alone?: boolean } | undefined;

/** The model of a command: its argument, the active editor's, or one that the user picks. */
export async function targetSession(
  services: Services,
  argument: ModelArgument,
): Promise<ModelSession | undefined> {
  const { sessions, workspaceModels } = services;
  const path = argument instanceof vscode.Uri ? pathOf(argument) : argument?.model;
  if (path !== undefined) {
    const alone = argument instanceof vscode.Uri ? undefined : argument?.alone;
    if (alone !== undefined) return sessions.get(path, alone);
    // A command of an editor acts on what that editor shows.
    if (sessions.active?.path === path) return sessions.active;
    return sessions.get(await workspaceModels.fileOf(path));
  }
  if (sessions.active) return sessions.active;
  const picked = await pickModel(services, vscode.l10n.t('Quantscope: choose a model'));
  return picked === undefined ? undefined : sessions.get(picked);
}

/** What can be done with a model: the sentence that says that it cannot, and the limit that forbids it. */
const tasks = {
  gguf: {
    refusal: (reason: string) => vscode.l10n.t('This model cannot be exported as GGUF. {0}', reason),
    limit: 'gguf',
  },
  run: {
    refusal: (reason: string) => vscode.l10n.t('This model cannot be run over a text. {0}', reason),
    limit: 'run',
  },
  // The graph is that of the forward pass.
  onnx: {
    refusal: (reason: string) => vscode.l10n.t('This model cannot be exported as ONNX. {0}', reason),
    limit: 'run',
  },
} as const;

/** Whether something can be done with a model. Where it cannot, the user is told why, before anything is asked or computed. */
export async function isPossible(
  { engine, notices }: Services,
  session: ModelSession,
  what: keyof typeof tasks,
): Promise<boolean> {
  await session.ensureLoaded();
  const { refusal, limit } = tasks[what];
  // Of a model that cannot be read, what it is wanted for says why.
  const limits = await engine.call('model/limits', session.ref).catch((): ModelLimits => ({}));
  const reason = limits[limit];
  if (reason === undefined) return true;
  void notices.error(refusal(inLanguage(reason)));
  return false;
}

/** The same for a command that needs all files of a model: where one is shown alone, the user may continue with the whole model. */
export async function wholeSession(
  services: Services,
  argument: ModelArgument,
): Promise<ModelSession | undefined> {
  const session = await targetSession(services, argument);
  if (!session?.alone) return session;
  const whole = vscode.l10n.t('Use the Whole Model');
  const message = vscode.l10n.t(
    '{0} is one file of a model and is shown alone; this needs the whole model.',
    basename(session.path),
  );
  if ((await vscode.window.showWarningMessage(message, { modal: true }, whole)) !== whole) return undefined;
  return services.sessions.get(await services.workspaceModels.fileOf(session.path));
}

const browse = vscode.l10n.t('$(folder-opened) Browse…');
const onServer = vscode.l10n.t('$(globe) On a Server…');

/**
 * Lets the user pick a model of the workspace, each listed once however many files it has, or one from elsewhere.
 * @param except a model that is not offered.
 * @returns the file that identifies it; undefined when the user cancelled.
 */
export async function pickModel(
  services: Services,
  title: string,
  except?: string,
): Promise<string | undefined> {
  const { workspaceModels } = services;
  const models = (await workspaceModels.list()).filter(({ file }) => file !== except);
  const items: (vscode.QuickPickItem & { readonly file?: string })[] = models.map((model) => ({
    label: model.name,
    description: placeOf(model),
    file: model.file,
  }));
  const picked = await vscode.window.showQuickPick([...items, { label: browse }, { label: onServer }], {
    title,
    matchOnDescription: true,
  });
  if (!picked || picked.file !== undefined) return picked?.file;
  if (picked.label === onServer) {
    const address = await askAddress(title);
    return address === undefined ? undefined : remoteModel(services, address);
  }
  const chosen = await vscode.window.showOpenDialog({
    ...{ title, canSelectFiles: true, canSelectFolders: true },
    filters: { [vscode.l10n.t('Models')]: modelEndings, [vscode.l10n.t('All files')]: ['*'] },
  });
  const path = chosen?.[0]?.fsPath;
  return path === undefined ? undefined : workspaceModels.fileOf(path);
}

/** Workspace-relative location of a model, and its number of files. */
function placeOf({ file, files }: LocatedModel): string {
  if (files.length <= 1) return vscode.workspace.asRelativePath(file);
  return vscode.l10n.t('{0} · {1} files', vscode.workspace.asRelativePath(dirname(file)), files.length);
}
