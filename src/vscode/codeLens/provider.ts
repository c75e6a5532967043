import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { holdsWeights } from '../../model/holdsWeights';
import type { LocatedModel } from '../../protocol/model';
import { whileWanted } from '../cancellation';
import { commands } from '../contributions';
import type { ModelSession } from '../modelSession';
import { folderOf } from '../paths';
import { storedParams } from '../sensitivityJob';
import type { Services } from '../services';
import { lensChanges } from './lensChanges';
import { nowText, plannedText } from './lensText';

/** Documents that stand for a model. */
const documents: vscode.DocumentSelector = ['**/config.json', '**/*.index.json', '**/*.index.*.json'].map(
  (pattern) => ({ scheme: 'file', pattern }),
);

/** Those of one model, above its document: what it takes now and by its plan, and what can be done with it. */
class ModelLens extends vscode.CodeLens {
  constructor(
    readonly model: LocatedModel,
    readonly part: 'now' | 'planned',
  ) {
    super(new vscode.Range(0, 0, 0, 0));
  }
}

/** CodeLens above config.json and indexes of models: their size now and by the plan, and commands. Sizes are read when they are in sight. */
export function registerCodeLens(services: Services): vscode.Disposable {
  const provider = new ModelLenses(services);
  return vscode.Disposable.from(provider, vscode.languages.registerCodeLensProvider(documents, provider));
}

class ModelLenses implements vscode.CodeLensProvider {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.changed.event;
  private readonly changes: vscode.Disposable;

  constructor(private readonly services: Services) {
    this.changes = lensChanges(services, () => this.changed.fire());
  }

  dispose(): void {
    this.changes.dispose();
    this.changed.dispose();
  }

  /** None for a document that no model belongs to, such as the configuration of anything else. */
  async provideCodeLenses(
    { uri }: vscode.TextDocument,
    token: vscode.CancellationToken,
  ): Promise<vscode.CodeLens[]> {
    const model = await this.modelOf(uri.fsPath);
    if (!model || token.isCancellationRequested) return [];
    const argument = { model: model.file };
    const lens = (title: string, command: string): vscode.CodeLens =>
      new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), { title, command, arguments: [argument] });
    return [
      new ModelLens(model, 'now'),
      new ModelLens(model, 'planned'),
      lens(vscode.l10n.t('Open Model'), commands.openModel),
      lens(vscode.l10n.t('Recommend'), commands.recommendPlan),
      lens(vscode.l10n.t('Export…'), commands.exportGguf),
    ];
  }

  /** Fills in the sizes. */
  async resolveCodeLens(lens: vscode.CodeLens, token: vscode.CancellationToken): Promise<vscode.CodeLens> {
    if (!(lens instanceof ModelLens)) return lens;
    const { model, part } = lens;
    const { engine, sensitivityDir, measuringOf } = this.services;
    const { file: path } = model;
    const stored = storedParams({ path }, sensitivityDir, measuringOf(path, folderOf(path)));
    const sizes = await whileWanted(token, (signal) => engine.call('model/sizes', stored, { signal }));
    const isNow = part === 'now';
    const title = isNow ? nowText(sizes) : plannedText(sizes, this.sessionOf(path)?.plan);
    lens.command = {
      title: title ?? vscode.l10n.t('no plan'),
      command: isNow ? commands.openModel : commands.recommendPlan,
      arguments: [{ model: path }],
    };
    return lens;
  }

  /**
   * An index stands for its model, config.json for the one of its folder. Most documents of these names are of other things: where no names of
   * weights are beside them, the engine is not started.
   */
  private async modelOf(path: string): Promise<LocatedModel | undefined> {
    const folder = dirname(path);
    if (!(await holdsWeights(folder))) return undefined;
    return this.services.workspaceModels.locate(basename(path) === 'config.json' ? folder : path);
  }

  private sessionOf(path: string): ModelSession | undefined {
    return this.services.sessions.all().find((item) => item.path === path && !item.alone);
  }
}
