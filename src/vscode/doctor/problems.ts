import * as vscode from 'vscode';
import type { DoctorFinding, Severity } from '../../protocol/doctor';
import type { ModelRef } from '../../protocol/model';
import { inLanguage } from '../../protocol/said';
import { commands, problemSource } from '../contributions';
import { sessionKey } from '../paths';
import { uriOf } from '../remote/modelUri';

const severities: Readonly<Record<Severity, vscode.DiagnosticSeverity>> = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  note: vscode.DiagnosticSeverity.Information,
};

/** A finding, and the model that it was found in. */
export interface Problem {
  readonly model: ModelRef;
  readonly finding: DoctorFinding;
}

/** Findings of the doctor in the Problems panel. */
export class Problems implements vscode.Disposable {
  private readonly collection = vscode.languages.createDiagnosticCollection('quantscope-doctor');
  private readonly byModel = new Map<string, readonly Problem[]>();

  /** Replaces what is shown of a model. */
  show(model: ModelRef, findings: readonly DoctorFinding[]): void {
    const key = sessionKey(model);
    const before = this.byModel.get(key) ?? [];
    const now = findings.map((finding) => ({ model, finding }));
    if (now.length > 0) this.byModel.set(key, now);
    else this.byModel.delete(key);
    for (const file of new Set([...before, ...now].map(({ finding }) => finding.file)))
      this.collection.set(uriOf(file), this.of(file).map(diagnosticOf));
  }

  /** Problems that a diagnostic of a file stands for. */
  behind(uri: vscode.Uri, { source, message, range }: vscode.Diagnostic): Problem[] {
    if (source !== problemSource) return [];
    return this.all().filter(
      ({ finding }) =>
        uriOf(finding.file).toString() === uri.toString() &&
        messageOf(finding) === message &&
        rangeOf(finding).isEqual(range),
    );
  }

  dispose(): void {
    this.collection.dispose();
  }

  private all(): Problem[] {
    return [...this.byModel.values()].flat();
  }

  /** Models may share a file of settings: what is found there is shown once. */
  private of(file: string): DoctorFinding[] {
    const found = this.all().flatMap(({ finding }) => (finding.file === file ? finding : []));
    return [...new Map(found.map((finding) => [JSON.stringify(finding), finding])).values()];
  }
}

function diagnosticOf(finding: DoctorFinding): vscode.Diagnostic {
  const { code, severity } = finding;
  const diagnostic = new vscode.Diagnostic(rangeOf(finding), messageOf(finding), severities[severity]);
  diagnostic.source = problemSource;
  const argument = encodeURIComponent(JSON.stringify([code]));
  diagnostic.code = {
    value: code,
    target: vscode.Uri.parse(`command:${commands.explainFinding}?${argument}`),
  };
  return diagnostic;
}

/** With the tensor, and with the byte of a file that has no lines. */
function messageOf({ tensor, offset, place, message: english }: DoctorFinding): string {
  const message = inLanguage(english);
  const parts = [
    ...(tensor === undefined ? [] : [tensor]),
    ...(offset === undefined || offset === 0 || place
      ? []
      : [vscode.l10n.t('byte {0}', offset.toLocaleString('en'))]),
  ];
  return parts.length === 0 ? message : `${parts.join(', ')}: ${message}`;
}

const rangeOf = ({ place }: DoctorFinding): vscode.Range =>
  place
    ? new vscode.Range(place.line - 1, place.column - 1, place.endLine - 1, place.endColumn - 1)
    : new vscode.Range(0, 0, 0, 0);
