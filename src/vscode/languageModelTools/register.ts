import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { Tool } from '../../tools/tool';
import { chosenDevice, type Services } from '../services';
import { ModelTool } from './modelTool';
import { ToolPlaces } from './places';

/** How package.json names a tool of the table: names of all extensions share one space. */
const prefix = 'quantscope_';

/** Registers the tools that package.json contributes; nothing of them is loaded before the first call. */
export function registerLanguageModelTools(services: Services): vscode.Disposable {
  const { engine, sensitivityDir, evidenceDir, context } = services;
  const host = {
    ...{ cacheDir: sensitivityDir, evaluationDir: evidenceDir, device: chosenDevice },
    call: engine.call.bind(engine),
    places: new ToolPlaces({ folders: workspaceFolders, open: () => openPlaces(services) }),
  };
  const { contributes } = context.extension.packageJSON as {
    contributes: { languageModelTools: readonly { name: string; displayName: string }[] };
  };
  return vscode.Disposable.from(
    ...contributes.languageModelTools.map(({ name, displayName }) => {
      const load = (): Promise<Tool> => toolNamed(name.slice(prefix.length));
      return vscode.lm.registerTool(name, new ModelTool(displayName, load, host));
    }),
  );
}

/** @param name one of the table, which a test compares with package.json. */
async function toolNamed(name: string): Promise<Tool> {
  const { tools } = await import('../../tools/tools');
  return tools.find((tool) => tool.name === name)!;
}

const workspaceFolders = (): string[] =>
  (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === 'file')
    .map(({ uri }) => uri.fsPath);

/** The models that editors show: their files, and the folders of checkpoints. That of a single file holds other things, too. */
function openPlaces({ sessions, editors }: Services): string[] {
  const open = sessions.all().filter(({ key }) => editors.has(key));
  return open.flatMap(({ path, description }) => {
    if (!description) return [path];
    const files = description.files.map((file) => file.path);
    const isCheckpoint =
      description.weightFiles.total > 1 || files.some((file) => basename(file) === 'config.json');
    return [path, ...files, ...(isCheckpoint ? [description.folder] : [])];
  });
}
