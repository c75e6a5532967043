import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { planEnding } from '../../ampq/planFile';
import { nameFromPath } from '../../model/modelName';
import type { BesideModel } from '../../protocol/besideModel';
import type { LocatedModel } from '../../protocol/model';
import { contextKeys } from '../contributions';
import { shownMessage } from '../host';
import { folderOf } from '../paths';
import { storedParams } from '../sensitivityJob';
import type { Services } from '../services';
import { setContext } from '../setContext';
import { jobHead } from '../status';
import { Throttle } from '../throttle';
import { itemOf } from './modelItems';
import { jobsOf, type ModelsNode } from './nodes';

/** Milliseconds between two drawings of jobs, and between two searches while files are written. */
const intervals = { jobs: 500, files: 1_000 } as const;

/** The models of the workspace and those open from elsewhere; below each, what was made from it, which is asked for when it is unfolded. */
export class ModelsTree implements vscode.TreeDataProvider<ModelsNode>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ModelsNode | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  /** Rows of models, which are the same objects as long as their models are the same. */
  private readonly shown = new Map<string, Extract<ModelsNode, { kind: 'model' }>>();
  /** What was made from models: drawing a job does not ask for it again. */
  private readonly children = new Map<string, Promise<ModelsNode[]>>();
  /** The jobs of models as they were drawn last, by model. */
  private busy = new Map<string, string>();
  private readonly drawJobs = new Throttle(() => this.showJobs(), intervals.jobs);
  private readonly drawFiles = new Throttle(() => this.redraw(), intervals.files);
  private readonly subscriptions: readonly { dispose(): unknown }[];

  constructor(private readonly services: Services) {
    const plans = vscode.workspace.createFileSystemWatcher(`**/*${planEnding}`);
    const draw = (): void => this.drawFiles.ask();
    this.subscriptions = [
      ...[plans, plans.onDidCreate(draw), plans.onDidChange(draw), plans.onDidDelete(draw)],
      services.engine.onJobs(() => this.drawJobs.ask()),
      services.workspaceModels.onChange(draw),
      services.sessions.onActive(draw),
      ...[this.drawJobs, this.drawFiles, this.changed],
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  getTreeItem(node: ModelsNode): vscode.TreeItem {
    return itemOf(node, node.kind === 'model' ? jobsOf(this.services.engine.jobs, node.located) : []);
  }

  async getChildren(node?: ModelsNode): Promise<ModelsNode[]> {
    if (!node) return this.models();
    if (node.kind === 'group') return node.nodes;
    if (node.kind !== 'model') return [];
    const { model } = node;
    const known = this.children.get(model) ?? this.childrenOf(model);
    this.children.set(model, known);
    return known;
  }

  private async childrenOf(model: string): Promise<ModelsNode[]> {
    try {
      return groupsOf(model, await this.beside(model));
    } catch (error) {
      return [{ kind: 'note', model, failure: shownMessage(error) }];
    }
  }

  private redraw(): void {
    this.children.clear();
    this.changed.fire(undefined);
  }

  private async models(): Promise<ModelsNode[]> {
    const found = await this.services.workspaceModels.list().finally(searched);
    const known = new Set(found.map(({ file }) => file));
    const open = this.services.sessions.all().filter(({ path, key }) => {
      return !known.has(path) && this.services.editors.has(key);
    });
    const elsewhere = new Map(open.map(({ path }) => [path, openModel(path)]));
    const nodes = [...found, ...elsewhere.values()].map((located) => this.nodeOf(located));
    this.shown.clear();
    for (const node of nodes) this.shown.set(node.model, node);
    return nodes;
  }

  private nodeOf(located: LocatedModel): Extract<ModelsNode, { kind: 'model' }> {
    const model = located.file;
    const before = this.shown.get(model);
    const isSame = before && JSON.stringify(before.located) === JSON.stringify(located);
    return isSame ? before : { kind: 'model', model, located };
  }

  private async beside(path: string): Promise<BesideModel> {
    const { engine, workspaceModels, sensitivityDir, evidenceDir, measuringOf } = this.services;
    const others = (await workspaceModels.list()).filter(({ file }) => file !== path);
    const among = others.flatMap(({ files }) => files.slice(0, 1));
    const stored = storedParams({ path }, sensitivityDir, measuringOf(path, folderOf(path)));
    return engine.call('model/beside', { ...stored, evaluationDir: evidenceDir, among });
  }

  /** Draws the models again whose jobs read otherwise, or that no longer have any: these may have left something. */
  private showJobs(): void {
    const before = this.busy;
    this.busy = new Map();
    for (const node of this.shown.values()) {
      const text = jobsOf(this.services.engine.jobs, node.located).map(jobHead).join('\n');
      if (text !== '') this.busy.set(node.model, text);
      if (text === (before.get(node.model) ?? '')) continue;
      if (text === '') this.children.delete(node.model);
      this.changed.fire(node);
    }
  }
}

/** What the view says where it has no row depends on it. */
const searched = (): Promise<void> => setContext(contextKeys.modelsSearched, true);

/** A model that is open and not of the workspace. */
const openModel = (path: string): LocatedModel => ({
  ...{ file: path, folder: dirname(path), files: [path] },
  name: nameFromPath(dirname(path), basename(path)),
});

function groupsOf(model: string, { plans, measurements, evaluations, made }: BesideModel): ModelsNode[] {
  const analyses: ModelsNode[] = [
    ...(measurements ? [{ kind: 'measurements', model, measured: measurements } as const] : []),
    ...evaluations.map((evaluation) => ({ kind: 'evaluation', model, evaluation }) as const),
  ];
  const groups: readonly (ModelsNode & { kind: 'group' })[] = [
    {
      ...{ kind: 'group', model, group: 'plans' },
      nodes: plans.map((saved) => ({ kind: 'plan', model, plan: saved.file, saved })),
    },
    { kind: 'group', model, group: 'analyses', nodes: analyses },
    {
      ...{ kind: 'group', model, group: 'made' },
      nodes: made.map((file) => ({ kind: 'made', model: file.file, of: model, made: file })),
    },
  ];
  const filled = groups.filter(({ nodes }) => nodes.length > 0);
  return filled.length > 0 ? [...filled] : [{ kind: 'note', model }];
}
