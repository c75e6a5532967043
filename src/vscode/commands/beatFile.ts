import { basename } from 'node:path';
import * as vscode from 'vscode';
import { commands } from '../contributions';
import { askFile, dialogs } from '../editor/files';
import { openEditor } from '../editor/openEditor';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import { pathOf } from '../remote/modelUri';
import type { Services } from '../services';
import { isPossible, pickModel, wholeSession, type ModelArgument } from './targets';

/** Arguments that other code may pass: the model, and with `rival` the file, so that no dialog is shown. */
type BeatArgument = ModelArgument & { readonly rival?: string };

/** Both sides of a comparison. */
interface Match {
  readonly session: ModelSession;
  readonly rival: string;
}

/**
 * Beat This File…: the plan of a model for the bytes of someone's GGUF file of it. From the explorer the file is given and the model is asked
 * for; from a model's editor it is the other way round. @returns whether there is such a plan.
 */
export function registerBeatFile(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.beatFile,
    async (argument?: BeatArgument): Promise<boolean> => {
      const match = await matchOf(services, argument);
      if (!match || !(await isPossible(services, match.session, 'gguf'))) return false;
      const { session, rival } = match;
      await openEditor(services, session, { tab: 'plan' });
      try {
        return await session.plans.beat(rival);
      } catch (error) {
        services.log.error(`Plan for the size of ${basename(rival)}: ${messageOf(error)}`);
        void services.notices.error(shownMessage(error));
        return false;
      }
    },
  );
}

/** Undefined where the user cancelled. */
async function matchOf(services: Services, argument: BeatArgument | undefined): Promise<Match | undefined> {
  if (argument instanceof vscode.Uri) return matchFor(services, pathOf(argument));
  const session = await wholeSession(services, argument);
  if (!session) return undefined;
  await session.ensureLoaded();
  // The palette speaks of the file in front; a page of its own model.
  if (argument === undefined && session.description?.format === 'gguf')
    return matchFor(services, session.path);
  const rival = argument?.rival ?? (await askFile(session, dialogs.gguf));
  return rival === undefined ? undefined : { session, rival };
}

async function matchFor(services: Services, rival: string): Promise<Match | undefined> {
  const { refinements, quantizations, sessions } = services;
  const known = quantizations.sourceOf(rival) ?? refinements.originalOf(rival);
  const title = vscode.l10n.t('Which model was {0} made from?', basename(rival));
  const model = known ?? (await pickModel(services, title, rival));
  return model === undefined ? undefined : { session: sessions.get(model), rival };
}
