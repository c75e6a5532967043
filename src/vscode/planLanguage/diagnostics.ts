import * as vscode from 'vscode';
import type { DocumentFault, Span } from '../../protocol/documentCheck';
import { inLanguage } from '../../protocol/said';
import { problemSource } from '../contributions';
import type { DocumentChecks } from './documentChecks';

const severities: Readonly<Record<DocumentFault['severity'], vscode.DiagnosticSeverity>> = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  information: vscode.DiagnosticSeverity.Information,
};

/** Faults of plans and recipes in the Problems panel, while they are open. */
export function showFaults(checks: DocumentChecks): vscode.Disposable {
  const collection = vscode.languages.createDiagnosticCollection('quantscope');
  return vscode.Disposable.from(
    collection,
    checks.onClosed((uri) => collection.delete(uri)),
    checks.onChecked(({ document, check }) =>
      collection.set(
        document.uri,
        check.faults.map((fault) => diagnosticOf(document, fault)),
      ),
    ),
  );
}

function diagnosticOf(document: vscode.TextDocument, fault: DocumentFault): vscode.Diagnostic {
  const { severity, code } = fault;
  const message = inLanguage(fault.message);
  const diagnostic = new vscode.Diagnostic(rangeOf(document, fault), message, severities[severity]);
  diagnostic.source = problemSource;
  diagnostic.code = code;
  return diagnostic;
}

export const rangeOf = (document: vscode.TextDocument, { start, end }: Span): vscode.Range =>
  new vscode.Range(document.positionAt(start), document.positionAt(end));
