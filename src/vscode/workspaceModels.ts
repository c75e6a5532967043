import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { openModel } from '../model/openModel';
import type { ModelDescription, TensorDescriptor } from '../protocol/model';
import { messageOf } from './host';

/** A tensor of a model of the workspace. */
export interface KnownTensor {
  readonly model: ModelDescription;
  readonly tensor: TensorDescriptor;
}

const modelFiles = '**/*.{safetensors,gguf,safetensors.index.json}';
/** Models that are indexed; a workspace of more is no model folder. */
const maxModels = 64;

/** Finds tensors by name in the models of the workspace, from their headers; reads them when first asked. */
export class WorkspaceModels implements vscode.Disposable {
  private models: Promise<ModelDescription[]> | undefined;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(modelFiles);

  constructor(private readonly log: vscode.LogOutputChannel) {
    const forget = (): void => (this.models = undefined);
    this.watcher.onDidChange(forget);
    this.watcher.onDidCreate(forget);
    this.watcher.onDidDelete(forget);
  }

  /** Tensors of that name, those of models in the document's own folder first. */
  async find(names: readonly string[], beside: vscode.Uri): Promise<KnownTensor[]> {
    const folder = dirname(beside.fsPath);
    const models = await (this.models ??= this.read());
    const near = (model: ModelDescription): number => (dirname(model.path) === folder ? 0 : 1);
    return [...models]
      .sort((a, b) => near(a) - near(b))
      .flatMap((model) => {
        const tensor = model.tensors.find((item) => names.includes(item.name));
        return tensor ? [{ model, tensor }] : [];
      });
  }

  dispose(): void {
    this.watcher.dispose();
  }

  private async read(): Promise<ModelDescription[]> {
    const found = await vscode.workspace.findFiles(modelFiles, '**/node_modules/**', maxModels);
    const models: ModelDescription[] = [];
    for (const uri of found.sort((a, b) => a.fsPath.localeCompare(b.fsPath))) {
      try {
        const model = await openModel(uri.fsPath);
        await model.close();
        models.push(model.description);
      } catch (error) {
        this.log.warn(`Not indexed: ${messageOf(error)}`);
      }
    }
    return models;
  }
}
