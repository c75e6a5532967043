import { dirname } from 'node:path';
import * as vscode from 'vscode';
import type { PanelRefinement, RefinementView } from '../../protocol/refinementView';
import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import { announced, askRefinedTarget, openRefinement, refine } from '../commands/refine';
import { commands } from '../contributions';
import type { ModelSession } from '../modelSession';
import { folderOf } from '../paths';
import { chosenDevice, type Services } from '../services';
import { openEditor } from './openEditor';
import { textsBeside } from './texts';

type RefinementHandlers = Pick<
  Handlers<WebviewRequests>,
  | 'openRefinement'
  | 'estimateRefinement'
  | 'refine'
  | 'stopRefinement'
  | 'continueRefinement'
  | 'finishRefinement'
  | 'useRefined'
  | 'refineFile'
>;

/** Requests of the page that refines. Runs are started, not awaited: events report their progress. */
export function refinementHandlers(services: Services, session: ModelSession): RefinementHandlers {
  const { refinements, context, start } = services;
  const run = refinements.get(session.ref);
  const key = `quantscope.refinement:${session.path}`;
  const withDevice = async (settings: PanelRefinement) => {
    await context.workspaceState.update(key, settings);
    run.knownOriginal = undefined;
    return { ...settings, device: chosenDevice() };
  };
  return {
    openRefinement: async () => {
      const settings = context.workspaceState.get<PanelRefinement>(key);
      const { activity, knownOriginal: original } = run;
      return {
        ...(activity ? { activity } : {}),
        ...(settings ? { settings: original === undefined ? settings : { ...settings, original } } : {}),
        suggestions: await suggestions(services, session),
      };
    },
    estimateRefinement: async ({ settings }, { signal, progress }) =>
      run.estimate(await withDevice(settings), {
        ...{ signal, onProgress: progress, title: vscode.l10n.t('Estimate of a refinement') },
      }),
    refine: async ({ settings: chosen, finish = false }) => {
      const settings = await withDevice(chosen);
      const out = await askRefinedTarget(session);
      if (out !== undefined) start(refine(services, session.ref, { settings, out, finish }));
    },
    stopRefinement: () => run.stop(),
    continueRefinement: () => start(announced(services, run, () => run.continue())),
    finishRefinement: () => start(announced(services, run, () => run.finish())),
    useRefined: ({ what }) => useRefined(services, session, what),
    refineFile: () => start(openRefinement(services, session)),
  };
}

async function suggestions(
  { refinements, quantizations, workspaceModels }: Services,
  session: ModelSession,
): Promise<RefinementView['suggestions']> {
  const original =
    refinements.get(session.ref).knownOriginal ??
    quantizations.sourceOf(session.path) ??
    refinements.originalOf(session.path) ??
    (await workspaceModels.list()).find(
      ({ file, folder }) =>
        [session.folder, dirname(session.folder)].includes(folder) && !/\.gguf$/i.test(file),
    )?.file;
  const places = [session.folder, ...(original === undefined ? [] : [folderOf(original)])];
  const texts = await Promise.all(places.map(textsBeside));
  const text = texts.map(({ calibrationText }) => calibrationText).find((found) => found !== undefined);
  return { ...(original === undefined ? {} : { original }), ...(text === undefined ? {} : { text }) };
}

/** What the user does with the file that the last refinement wrote. */
async function useRefined(
  services: Services,
  session: ModelSession,
  what: WebviewRequests['useRefined']['params']['what'],
): Promise<void> {
  const out = services.refinements.get(session.ref).result?.out;
  if (out === undefined) return;
  const file = await services.workspaceModels.fileOf(out);
  if (what === 'compare') {
    const target = { model: session.path, alone: session.alone, other: file };
    await vscode.commands.executeCommand(commands.compareWith, target);
    return;
  }
  await openEditor(services, services.sessions.get(file), what === 'evaluate' ? { tab: 'evaluate' } : {});
}
