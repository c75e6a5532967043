import * as vscode from 'vscode';
import { documentKind } from '../../protocol/documentCheck';
import type { Services } from '../services';
import { otherGlob } from '../contributions';
import { choicesFor, type Choice, type Known } from './choices';
import type { CompletionKind } from './completionPlace';
import { rangeOf } from './diagnostics';
import type { DocumentChecks } from './documentChecks';

/** Most texts near a recipe that are offered. */
const maxTexts = 200;

/** Most values that are offered at once; typing more of a name brings others. */
const maxItems = 1_000;

const kinds: Readonly<Record<CompletionKind, vscode.CompletionItemKind>> = {
  tensor: vscode.CompletionItemKind.Variable,
  module: vscode.CompletionItemKind.Module,
  pattern: vscode.CompletionItemKind.Constant,
  format: vscode.CompletionItemKind.EnumMember,
  ggml: vscode.CompletionItemKind.EnumMember,
  grid: vscode.CompletionItemKind.EnumMember,
  source: vscode.CompletionItemKind.Variable,
  layout: vscode.CompletionItemKind.EnumMember,
  method: vscode.CompletionItemKind.EnumMember,
  fileType: vscode.CompletionItemKind.EnumMember,
  text: vscode.CompletionItemKind.File,
};

type Engine = Services['engine'];

/** What some kinds of values are looked up in besides the check of the document. */
const lookUps: Partial<Record<CompletionKind, (engine: Engine, uri: vscode.Uri) => Promise<Partial<Known>>>> =
  {
    layout: async (engine) => ({ recipes: await engine.call('recipes/list', {}) }),
    method: async (engine) => ({ recipes: await engine.call('recipes/list', {}) }),
    fileType: async (engine) => ({ fileTypes: (await engine.call('export/fileTypes', {})).fileTypes }),
    text: async (_, uri) => ({ texts: await textsNear(uri) }),
  };

/** Paths of texts in the folder of a document and below it, as recipes name them. */
async function textsNear(uri: vscode.Uri): Promise<string[]> {
  const folder = vscode.Uri.joinPath(uri, '..');
  const pattern = new vscode.RelativePattern(folder, '**/*.{txt,raw}');
  const found = await vscode.workspace.findFiles(pattern, otherGlob, maxTexts);
  return found.map(({ path }) => path.slice(folder.path.length + 1)).sort();
}

/** Names of tensors and formats where plans and recipes have them. */
export class Completions implements vscode.CompletionItemProvider {
  static readonly triggers = ['"'] as const;

  constructor(
    private readonly checks: DocumentChecks,
    private readonly engine: Engine,
  ) {}

  async provideCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    token: vscode.CancellationToken,
  ): Promise<vscode.CompletionList | undefined> {
    // The parser is loaded by the first completion.
    const { completionPlace } = await import('./completionPlace');
    const kind = documentKind(document.uri.path);
    const offset = document.offsetAt(position);
    const place = kind && completionPlace(document.getText(), offset, kind);
    const check = place && (await this.checks.latest(document));
    if (!check || token.isCancellationRequested) return undefined;
    const known = {
      ...check,
      tensor: place.tensor,
      ...(await lookUps[place.kind]?.(this.engine, document.uri)),
    };
    const range = rangeOf(document, place);
    const typed = document.getText(new vscode.Range(range.start, position)).replaceAll('"', '');
    const all = choicesFor(place.kind, known).filter(({ json }) => holds(json, typed));
    const items = all.slice(0, maxItems).map((choice, i) => itemOf(choice, kinds[place.kind], range, i));
    return new vscode.CompletionList(items, all.length > maxItems);
  }
}

/** Whether a text has the characters that were typed, in their order: what the editor filters by, too. */
function holds(text: string, typed: string): boolean {
  const lower = text.toLowerCase();
  let at = 0;
  for (const character of typed.toLowerCase()) {
    at = lower.indexOf(character, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

function itemOf(
  { label, detail, json }: Choice,
  kind: vscode.CompletionItemKind,
  range: vscode.Range,
  place: number,
): vscode.CompletionItem {
  const item = new vscode.CompletionItem(
    { label, ...(detail === undefined ? {} : { description: detail }) },
    kind,
  );
  item.insertText = json;
  item.range = range;
  // What is replaced begins with a quote, and so must what it is compared with.
  item.filterText = JSON.stringify(label);
  item.sortText = String(place).padStart(6, '0');
  return item;
}
