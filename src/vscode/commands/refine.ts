import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import type { ModelRef } from '../../protocol/model';
import type { RefinementResult, RefinementSettings } from '../../protocol/refinement';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import { askFile, dialogs } from '../editor/files';
import { openEditor } from '../editor/openEditor';
import type { ModelSession } from '../modelSession';
import { sessionKey } from '../paths';
import type { RefinementSession } from '../refinementSession';
import { chosenDevice, type Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with settings and a target the run starts at once, else the tab with the form opens. */
type RefineArgument = ModelArgument & {
  readonly settings?: Omit<RefinementSettings, 'device'> & Partial<Pick<RefinementSettings, 'device'>>;
  readonly out?: string;
};

/** Refine GGUF File…: trains a file on the output of its original. Of a model that is not GGUF, it asks for a file made from it. */
export function registerRefine(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.refine,
    async (argument?: RefineArgument): Promise<RefinementResult | undefined> => {
      const session = await wholeSession(services, argument);
      if (!session) return undefined;
      const { settings, out } = argument ?? {};
      if (settings && out !== undefined)
        return refine(services, session.ref, { settings: { device: chosenDevice(), ...settings }, out });
      await openRefinement(services, session);
      return undefined;
    },
  );
}

/** Opens the page that refines of a GGUF file, or of one that is picked, whose original is then the model. */
export async function openRefinement(services: Services, session: ModelSession): Promise<void> {
  await session.ensureLoaded();
  if (session.description?.format === 'gguf') return openEditor(services, session, { tab: 'refine' });
  const file = await askFile(session, dialogs.gguf);
  if (file !== undefined) await refineExported(services, session, file);
}

/** Opens the page that refines of a file that was made from a model. */
export async function refineExported(
  services: Services,
  session: Pick<ModelSession, 'path'>,
  file: string,
): Promise<void> {
  const refined = services.sessions.get(await services.workspaceModels.fileOf(file));
  services.refinements.get(refined.ref).knownOriginal = session.path;
  await openEditor(services, refined, { tab: 'refine' });
}

/** Asks where the refined file goes; undefined when the user cancelled. */
export async function askRefinedTarget(session: ModelSession): Promise<string | undefined> {
  const name = basename(session.path).replace(/(-00001-of-\d{5})?\.gguf$/i, '');
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(session.folder), `${name}-refined.gguf`)),
    filters: { GGUF: ['gguf'] },
    title: vscode.l10n.t('Refine: target file'),
  });
  return target?.fsPath;
}

/** What is refined, and where to. */
interface Refinement {
  readonly settings: RefinementSettings;
  readonly out: string;
  readonly finish?: boolean;
}

/** Runs a refinement. @returns undefined when it ended without a result, which the tab or a notice has reported. */
export async function refine(
  services: Services,
  model: ModelRef,
  refinement: Refinement,
): Promise<RefinementResult | undefined> {
  const run = services.refinements.get(model);
  const title = `${basename(model.path)} → ${basename(refinement.out)}`;
  return announced(services, run, () => run.run({ title, ...refinement }));
}

/** Runs; where no editor shows the end of it, a notice does. */
export async function announced<T>(
  services: Services,
  run: RefinementSession,
  work: () => Promise<T>,
): Promise<T> {
  const result = await work();
  if (!services.editors.has(sessionKey(run.model))) services.start(announce(services, run));
  return result;
}

async function announce(services: Services, { model, activity }: RefinementSession): Promise<void> {
  const { title, outcome } = activity ?? {};
  if (!outcome || outcome.kind === 'cancelled') return;
  const show = vscode.l10n.t('Show');
  const answer =
    outcome.kind === 'refined'
      ? await vscode.window.showInformationMessage(
          noticeText(vscode.l10n.t('{0}: finished.', title ?? '')),
          show,
        )
      : await vscode.window.showErrorMessage(noticeText(`${title}: ${inLanguage(outcome.message)}`), show);
  if (answer === show)
    await openEditor(services, { path: model.path, key: sessionKey(model) }, { tab: 'refine' });
}
