import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import type { RunningJob } from '../../engine/client';
import { folderName, nameFromPath } from '../../model/modelName';
import { isRemote } from '../../model/remote/address';
import { markdownText } from '../../protocol/markdown';
import type { CommandTab } from '../../protocol/editorState';
import type { LocatedModel } from '../../protocol/model';
import { rungLabel } from '../../protocol/rungs';
import { size } from '../../protocol/words';
import { commands } from '../contributions';
import { jobHead, jobText } from '../status';
import type { Group, ModelsNode } from './nodes';

type Of<K extends ModelsNode['kind']> = Extract<ModelsNode, { kind: K }>;

/** A row of the tree. @param jobs that work on the model of a row that is one. */
export function itemOf(node: ModelsNode, jobs: readonly RunningJob[]): vscode.TreeItem {
  switch (node.kind) {
    case 'model':
      return modelItem(node, jobs);
    case 'group':
      return groupItem(node);
    case 'plan':
      return planItem(node);
    case 'measurements':
      return measurementsItem(node);
    case 'evaluation':
      return evaluationItem(node);
    case 'made':
      return madeItem(node);
    case 'note':
      return noteItem(node);
  }
}

/** Three significant digits. */
const figure = (value: number): string => Number(value.toPrecision(3)).toString();

const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;

interface Row {
  readonly id: string;
  readonly label: string;
  readonly icon?: string;
  readonly description?: string;
  readonly tooltip?: string;
  readonly context: string;
  readonly state?: vscode.TreeItemCollapsibleState;
  readonly command?: vscode.Command;
}

function row({
  id,
  label,
  icon,
  description,
  tooltip,
  context,
  state = None,
  command,
}: Row): vscode.TreeItem {
  const item = new vscode.TreeItem(label, state);
  item.id = id;
  item.contextValue = context;
  if (icon !== undefined) item.iconPath = new vscode.ThemeIcon(icon);
  if (description !== undefined) item.description = description;
  item.tooltip = tooltip;
  item.accessibilityInformation = { label: [label, description].filter(Boolean).join(', ') };
  if (command) item.command = command;
  return item;
}

/** Opens a model's editor, at a page of it. */
const open = (model: string, tab?: CommandTab): vscode.Command => ({
  ...{ command: commands.openModel, title: '' },
  arguments: [{ model, ...(tab === undefined ? {} : { tab }) }],
});

function modelItem({ model, located }: Of<'model'>, jobs: readonly RunningJob[]): vscode.TreeItem {
  const [job, ...others] = jobs;
  const more = others.length === 0 ? '' : ` +${others.length}`;
  return row({
    ...{ id: model, label: located.name, state: Collapsed, command: open(model) },
    icon: job ? 'loading~spin' : 'package',
    description: job ? `${jobHead(job)}${more}` : whereabouts(located),
    tooltip: [model, ...jobs.map(jobText)].join('\n'),
    context: contextOf(located, job !== undefined),
  });
}

/** The folder of a model in the workspace, and its number of files. */
function whereabouts({ folder, files, name }: LocatedModel): string {
  const count = files.length > 1 ? [vscode.l10n.t('{0} files', files.length)] : [];
  // A name that is the folder's is not repeated.
  const place = basename(folder) === name ? dirname(folder) : folder;
  return [folderShown(place), ...count].filter((part) => part !== '').join(' · ');
}

/** Empty for the workspace's own, and for those around it. */
function folderShown(folder: string): string {
  if (isRemote(folder)) return folder;
  const own = vscode.workspace.workspaceFolders?.map(({ uri }) => uri.fsPath) ?? [];
  return own.some((path) => path === folder || dirname(path) === folder)
    ? ''
    : vscode.workspace.asRelativePath(folder);
}

/** Words that menus look for. */
const contextOf = ({ file }: LocatedModel, isBusy: boolean): string =>
  ['model', ...(/\.gguf$/i.test(file) ? ['gguf'] : []), ...(isBusy ? ['busy'] : [])].join(' ');

function groupItem({ model, group, nodes }: Of<'group'>): vscode.TreeItem {
  const labels: Readonly<Record<Group, string>> = {
    plans: vscode.l10n.t('Plans'),
    analyses: vscode.l10n.t('Analyses'),
    made: vscode.l10n.t('Made From It'),
  };
  return row({
    ...{ id: `${model}#${group}`, label: labels[group], context: 'group', state: Expanded },
    description: String(nodes.length),
  });
}

function planItem({ model, plan, saved }: Of<'plan'>): vscode.TreeItem {
  const { bytes, fileBytes, bitsPerWeight, divergence } = saved.total;
  const bits = vscode.l10n.t('{0} bits per weight', bitsPerWeight.toFixed(2));
  const predicted =
    divergence === undefined ? [] : [vscode.l10n.t('predicted KL divergence {0}', figure(divergence))];
  return row({
    ...{ id: `${model}#${plan}`, label: basename(plan), icon: 'list-tree', context: 'plan' },
    description: `${size(fileBytes ?? bytes)} · ${bits}`,
    tooltip: [plan, [bits, ...predicted, rungLabel(saved.rung)].join(', ')].join('\n'),
    command: { command: 'vscode.open', title: '', arguments: [vscode.Uri.file(plan)] },
  });
}

function measurementsItem({ model, measured: { tensors, text } }: Of<'measurements'>): vscode.TreeItem {
  return row({
    ...{
      id: `${model}#measurements`,
      label: vscode.l10n.t('Sensitivity'),
      icon: 'pulse',
      context: 'measurements',
    },
    description:
      text === undefined
        ? vscode.l10n.t('{0} tensors, from their weights alone', tensors)
        : vscode.l10n.t('{0} tensors, over {1}', tensors, basename(text)),
    command: open(model, 'sensitivity'),
  });
}

function evaluationItem({ model, evaluation }: Of<'evaluation'>): vscode.TreeItem {
  const { id, at, variant, text, perplexity, divergence } = evaluation;
  const figures = [
    ...(perplexity === undefined ? [] : [vscode.l10n.t('perplexity {0}', figure(perplexity))]),
    ...(divergence === undefined ? [] : [vscode.l10n.t('KL divergence {0}', figure(divergence))]),
  ];
  return row({
    ...{ id: `${model}#${id}`, label: variant, icon: 'beaker', context: 'evaluation' },
    description: figures.join(' · '),
    tooltip: [...(text === undefined ? [] : [text]), new Date(at).toLocaleString()].join('\n'),
    command: open(model, 'evaluate'),
  });
}

/** A file is shown in the explorer where it is nothing that the editor opens. */
function madeItem({ of, made: { file, action } }: Of<'made'>): vscode.TreeItem {
  const isOpened = action !== 'onnx';
  const uri = vscode.Uri.file(file);
  return row({
    ...{ id: `${of}#${file}`, icon: 'file-binary', ...madeName(file) },
    tooltip: file,
    context: isOpened ? `made model${/\.gguf$/i.test(file) ? ' gguf' : ''}` : 'made',
    command: isOpened ? open(file) : { command: 'revealInExplorer', title: '', arguments: [uri] },
  });
}

/** Files of checkpoints have the same name everywhere: they go by that of their folder. */
function madeName(file: string): Pick<Row, 'label' | 'description'> {
  const [folder, base] = [dirname(file), basename(file)];
  return nameFromPath(folder, base) === folderName(folder)
    ? { label: folderName(folder), description: base }
    : { label: base, description: folderShown(folder) };
}

function noteItem({ model, failure }: Of<'note'>): vscode.TreeItem {
  const item = row({
    ...{
      id: `${model}#note`,
      label: failure ?? vscode.l10n.t('Nothing was made from it yet'),
      context: 'note',
    },
    ...(failure === undefined ? {} : { icon: 'warning' }),
  });
  item.tooltip = new vscode.MarkdownString(markdownText(failure ?? ''));
  return item;
}
