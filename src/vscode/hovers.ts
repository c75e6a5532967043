import { dirname } from 'node:path';
import * as vscode from 'vscode';
import type { TensorSuggestion } from '../protocol/planResults';
import type { FoundTensor } from '../protocol/model';
import { suggestionFrom } from '../protocol/suggestion';
import { commands } from './contributions';
import { messageOf } from './host';
import { hoverText, lookupOrder } from './hoverText';
import { folderOf } from './paths';
import { storedParams } from './sensitivityJob';
import type { Services } from './services';

/** Dotted names like those of tensors. */
const tensorName = /[\w-]+(?:\.[\w-]+)+/;
/** Models in which a name is looked up. */
const maxModels = 64;

const languages: vscode.DocumentSelector = ['python', 'json', 'jsonc', 'yaml'].map((language) => ({
  language,
  scheme: 'file',
}));

/** Hovers over tensor names: what the tensor is, which format is suggested, and the errors that led to it. */
export function registerHovers(services: Services): vscode.Disposable {
  return vscode.languages.registerHoverProvider(languages, {
    async provideHover(document, position, cancellation) {
      const range = document.getWordRangeAtPosition(position, tensorName);
      if (!range) return undefined;
      const text = document.getText(range);
      const { signal, dispose } = abortOn(cancellation);
      try {
        // Code names modules ("model.layers.0.mlp.down_proj"); the tensor in it is the weight.
        const [known, ...others] = await find(services, [text, `${text}.weight`], document.uri, signal);
        if (!known) return undefined;
        const suggestion = await suggestionFor(services, known, signal).catch((error: unknown) => {
          if (signal.aborted) throw error;
          return { problem: messageOf(error) };
        });
        return new vscode.Hover([described(hoverText(known, suggestion, others)), links(known)], range);
      } catch (error) {
        if (signal.aborted) return undefined;
        throw error;
      } finally {
        dispose();
      }
    },
  });
}

function abortOn(cancellation: vscode.CancellationToken): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const listening = cancellation.onCancellationRequested(() => controller.abort());
  const dispose = (): void => void listening.dispose();
  return { signal: controller.signal, dispose };
}

/** Tensors of one of the names, those of the model in use first. */
async function find(
  { sessions, engine, workspaceModels }: Services,
  names: readonly string[],
  document: vscode.Uri,
  signal: AbortSignal,
): Promise<readonly FoundTensor[]> {
  const active = sessions.active?.path;
  const open = [...(active === undefined ? [] : [active]), ...sessions.all().map(({ path }) => path)];
  const order = lookupOrder(open, await workspaceModels.list(), dirname(document.fsPath));
  return engine.call('tensor/find', { paths: order.slice(0, maxModels), names }, { signal });
}

/** From the open editor's plan and table, else from disk by the same settings. */
async function suggestionFor(
  { sessions, engine, sensitivityDir, measuringOf }: Services,
  { model: { path }, tensor }: FoundTensor,
  signal: AbortSignal,
): Promise<TensorSuggestion> {
  const session = sessions.all().find((item) => item.path === path && !item.alone && item.description);
  if (session) {
    await session.ensureLoaded();
    return suggestionFrom(session.sensitivity, session.plan, tensor.name);
  }
  const stored = storedParams({ path }, sensitivityDir, measuringOf(path, folderOf(path)));
  return engine.call('tensor/suggestion', { ...stored, tensor: tensor.name }, { signal });
}

/** Text from files: it must not contain commands, links or HTML. */
function described(text: string): vscode.MarkdownString {
  const markdown = new vscode.MarkdownString(text);
  markdown.isTrusted = false;
  markdown.supportHtml = false;
  return markdown;
}

/** The only part that may contain commands; text from the file is encoded in their arguments. */
function links({ model, tensor }: FoundTensor): vscode.MarkdownString {
  const link = (label: string, command: string, argument: unknown): string =>
    `[${label}](command:${command}?${encodeURIComponent(JSON.stringify([argument])).replace(/[()']/g, escapeForLink)})`;
  const quantize = { quantscopeModel: model.path, quantscopeTensors: [tensor.name] };
  const markdown = new vscode.MarkdownString(
    [
      link('Open in editor', commands.revealTensor, { model: model.path, tensor: tensor.name }),
      link('Quantize…', commands.quantizeLayer, quantize),
    ].join(' · '),
  );
  markdown.isTrusted = { enabledCommands: [commands.revealTensor, commands.quantizeLayer] };
  return markdown;
}

/** Characters that end a Markdown link and that encodeURIComponent does not encode. */
const escapeForLink = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
