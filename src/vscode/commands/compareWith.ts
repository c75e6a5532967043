import * as vscode from 'vscode';
import type { ModelComparisonState } from '../../protocol/editorState';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import type { Services } from '../services';
import { pickModel, targetSession, type ModelArgument } from './targets';

/** Arguments that other code may pass; with `other` no dialog is shown. */
type Argument = ModelArgument & { readonly other?: string };

/** Compare With…: another model of any format, tensor by tensor, on the Compare tab of the editor. */
export function registerCompareWith(services: Services): vscode.Disposable {
  return vscode.commands.registerCommand(
    commands.compareWith,
    async (argument?: Argument): Promise<ModelComparisonState | undefined> => {
      const session = await targetSession(services, argument);
      if (!session) return undefined;
      const other = argument?.other ?? (await pickModel(services, 'Compare with which model?', session.path));
      if (other === undefined) return undefined;
      await openEditor(services, session, { tab: 'compare' });
      return session.compareWith(other);
    },
  );
}
