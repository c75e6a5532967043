import * as vscode from 'vscode';
import type { ModelComparisonState } from '../../protocol/editorState';
import type { AdapterRef } from '../../protocol/model';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { askAdapters } from './adapters';
import { pickModel, targetSession, wholeSession, type ModelArgument } from './targets';

/** Arguments that other code may pass; with `other` or `adapters` no dialog is shown. */
type Argument = ModelArgument & { readonly other?: string; readonly adapters?: readonly AdapterRef[] };

/**
 * Compare With…: another model of any format, tensor by tensor, on the Compare tab of the editor. Compare With Adapters…: this model with
 * adapters merged into it, virtually.
 */
export function registerCompareWith(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(
      commands.compareWith,
      async (argument?: Argument): Promise<ModelComparisonState | undefined> => {
        const session = await targetSession(services, argument);
        if (!session) return undefined;
        const title = vscode.l10n.t('Compare with which model?');
        const other = argument?.other ?? (await pickModel(services, title, session.path));
        if (other === undefined) return undefined;
        return shown(services, session, () => session.compareWith(other));
      },
    ),
    vscode.commands.registerCommand(
      commands.compareWithAdapters,
      async (argument?: Argument): Promise<ModelComparisonState | undefined> => {
        const session = await wholeSession(services, argument);
        if (!session) return undefined;
        const adapters = argument?.adapters ?? (await askAdapters(session.folder));
        if (!adapters) return undefined;
        return shown(services, session, () => session.compareWith(session.path, adapters));
      },
    ),
  );
}

/** Compares on the tab of an editor. What is started before the model is read would be forgotten once it is. */
async function shown(
  services: Services,
  session: ModelSession,
  compare: () => Promise<ModelComparisonState>,
): Promise<ModelComparisonState> {
  await openEditor(services, session, { tab: 'compare' });
  await session.ensureLoaded();
  return compare();
}
