import * as vscode from 'vscode';
import { documentKind } from '../../protocol/documentCheck';
import { choicesFor, type Choice } from './choices';
import type { CompletionKind } from './completionPlace';
import { rangeOf } from './diagnostics';
import type { DocumentChecks } from './documentChecks';

/** Most values that are offered at once; typing more of a name brings others. */
const maxItems = 1_000;

const kinds: Readonly<Record<CompletionKind, vscode.CompletionItemKind>> = {
  tensor: vscode.CompletionItemKind.Variable,
  module: vscode.CompletionItemKind.Module,
  pattern: vscode.CompletionItemKind.Constant,
  format: vscode.CompletionItemKind.EnumMember,
  ggml: vscode.CompletionItemKind.EnumMember,
  grid: vscode.CompletionItemKind.EnumMember,
};

/** Names of tensors and formats where plans and recipes have them. */
export class Completions implements vscode.CompletionItemProvider {
  static readonly triggers = ['"'] as const;

  constructor(private readonly checks: DocumentChecks) {}

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
    const range = rangeOf(document, place);
    const typed = document.getText(new vscode.Range(range.start, position)).replaceAll('"', '');
    const all = choicesFor(place.kind, check).filter(({ json }) => holds(json, typed));
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
