import { basename } from 'node:path';
import * as vscode from 'vscode';
import { whileWanted } from '../cancellation';
import { pickModel } from '../commands/targets';
import { commands } from '../contributions';
import { messageOf, shownMessage } from '../host';
import { pathOf } from '../remote/modelUri';
import type { Services } from '../services';
import type { CheckedDocument, DocumentChecks } from './documentChecks';
import { dryRunText } from './dryRunText';
import { isRecipe } from './planFiles';

/** Of documents that show what a recipe would do. */
const scheme = 'quantscope-dry-run';

/** The recipe as an address, and the path of the model. */
interface Run {
  readonly recipe: string;
  readonly model: string;
}

/** Dry Run of Recipe: what the text of a recipe, as it is in the editor, would make of its model. @returns whether it is shown. */
export function registerDryRun(services: Services, checks: DocumentChecks): vscode.Disposable {
  const documents = new DryRuns(services, checks);
  return vscode.Disposable.from(
    documents,
    vscode.workspace.registerTextDocumentContentProvider(scheme, documents),
    vscode.commands.registerCommand(commands.dryRunRecipe, async (clicked?: vscode.Uri): Promise<boolean> => {
      try {
        return await documents.show(clicked ?? vscode.window.activeTextEditor?.document.uri);
      } catch (error) {
        services.log.error(`Dry run: ${messageOf(error)}`);
        void services.notices.error(shownMessage(error));
        return false;
      }
    }),
  );
}

/** Dry runs that are shown; they follow the texts of their recipes. */
class DryRuns implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly services: Services,
    private readonly checks: DocumentChecks,
  ) {
    this.subscription = checks.onChecked((checked) => this.follow(checked));
  }

  async show(recipe: vscode.Uri | undefined): Promise<boolean> {
    if (!recipe || !isRecipe(recipe)) return false;
    const document = await vscode.workspace.openTextDocument(recipe);
    const near = (await this.checks.of(document))?.model?.path;
    const model = near ?? (await pickModel(this.services, vscode.l10n.t('Dry run with which model?')));
    if (model === undefined) return false;
    const uri = uriOf({ recipe: recipe.toString(), model });
    this.changed.fire(uri); // one that is still open may be of an earlier state of the model
    const options = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true, preview: true };
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri), options);
    return true;
  }

  async provideTextDocumentContent({ query }: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    const { recipe, model } = JSON.parse(query) as Run;
    try {
      const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(recipe, true));
      const { engine, evidenceDir: cacheDir } = this.services;
      const recipeFile = pathOf(document.uri);
      const params = { path: model, recipeFile, recipeText: document.getText(), cacheDir };
      const preview = await whileWanted(token, (signal) =>
        engine.call('model/quantizePreview', params, { signal }),
      );
      return dryRunText(basename(recipeFile), model, preview);
    } catch (error) {
      return vscode.l10n.t('The recipe cannot be applied. {0}', shownMessage(error));
    }
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  private follow({ document }: CheckedDocument): void {
    for (const { uri } of vscode.workspace.textDocuments)
      if (uri.scheme === scheme && (JSON.parse(uri.query) as Run).recipe === document.uri.toString())
        this.changed.fire(uri);
  }
}

/** Has the name of the recipe at its end, which the tab shows. */
function uriOf(run: Run): vscode.Uri {
  const name = vscode.Uri.parse(run.recipe, true).path.split('/').at(-1)!;
  const path = `/${vscode.l10n.t('Dry run of {0}', name)}.txt`;
  return vscode.Uri.from({ scheme, path, query: JSON.stringify(run) });
}
