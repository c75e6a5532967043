import * as vscode from 'vscode';
import type { DocumentFault, FaultCode, TextFix } from '../../protocol/documentCheck';
import { inLanguage } from '../../protocol/said';
import { problemSource } from '../contributions';
import { rangeOf } from './diagnostics';
import type { DocumentChecks } from './documentChecks';

/** Changes of the text that mend a fault, the likeliest first; and one for all faults of its kind. */
export class QuickFixes implements vscode.CodeActionProvider {
  static readonly metadata = { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] };

  constructor(private readonly checks: DocumentChecks) {}

  async provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    { diagnostics }: vscode.CodeActionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.CodeAction[]> {
    const check = await this.checks.of(document);
    if (!check || token.isCancellationRequested) return [];
    const [start, end] = [document.offsetAt(range.start), document.offsetAt(range.end)];
    const near = check.faults.filter((fault) => fault.start <= end && fault.end >= start);
    const single = near.flatMap((fault) => {
      const message = inLanguage(fault.message);
      const shown = diagnostics.filter(
        (item) => item.source === problemSource && item.code === fault.code && item.message === message,
      );
      return fault.fixes.map((fix, i) => actionOf(document, inLanguage(fix.title), [fix], shown, i === 0));
    });
    const codes = new Set(near.filter(isFixable).map(({ code }) => code));
    return [...single, ...[...codes].flatMap((code) => forAll(document, code, check.faults))];
  }
}

const isFixable = ({ fixes }: DocumentFault): boolean => fixes.length > 0;

/** The likeliest fix of every fault of a kind; nothing where there is only one. */
function forAll(
  document: vscode.TextDocument,
  code: FaultCode,
  faults: readonly DocumentFault[],
): vscode.CodeAction[] {
  const fixes = apart(faults.filter((fault) => fault.code === code).flatMap((fault) => fault.fixes[0] ?? []));
  if (fixes.length < 2) return [];
  const title = vscode.l10n.t('Fix all {0} problems of this kind ({1})', String(fixes.length), code);
  return [actionOf(document, title, fixes, [], false)];
}

/** Those that do not touch the same text: two changes of one place would spoil each other. */
function apart(fixes: readonly TextFix[]): TextFix[] {
  const kept: TextFix[] = [];
  for (const fix of [...fixes].sort((a, b) => a.start - b.start))
    if (fix.start >= (kept.at(-1)?.end ?? 0)) kept.push(fix);
  return kept;
}

function actionOf(
  document: vscode.TextDocument,
  title: string,
  fixes: readonly TextFix[],
  diagnostics: vscode.Diagnostic[],
  isPreferred: boolean,
): vscode.CodeAction {
  const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
  action.edit = new vscode.WorkspaceEdit();
  for (const fix of fixes) action.edit.replace(document.uri, rangeOf(document, fix), fix.text);
  action.diagnostics = diagnostics;
  action.isPreferred = isPreferred;
  return action;
}
