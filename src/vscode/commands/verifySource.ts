import { basename } from 'node:path';
import * as vscode from 'vscode';
import { QuantscopeError } from '../../model/errors';
import type { ProvenanceParams, ProvenanceResult } from '../../protocol/provenance';
import { provenanceMarkdown } from '../../protocol/provenanceText';
import { commands } from '../contributions';
import { askFile, dialogs } from '../editor/files';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { pickModel, wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';

/** Arguments that other code may pass; with `source` nothing is asked. */
type Argument = ModelArgument & { readonly source?: string; readonly imatrix?: string };

/** Verify Against Source…: whether a GGUF file is bit for bit what the model that it was made of gives. */
export function registerVerifySource(services: Services): vscode.Disposable {
  const reports = new Reports();
  return vscode.Disposable.from(
    vscode.workspace.registerTextDocumentContentProvider(reportScheme, reports),
    vscode.commands.registerCommand(
      commands.verifySource,
      async (argument?: Argument): Promise<ProvenanceResult | undefined> => {
        const session = await wholeSession(services, argument);
        const params = session && (await paramsOf(services, session, argument));
        return params && verify(services, reports, params);
      },
    ),
  );
}

/** @returns undefined when the user cancelled. */
async function paramsOf(
  services: Services,
  session: ModelSession,
  argument: Argument | undefined,
): Promise<ProvenanceParams | undefined> {
  const { source, imatrix } = argument instanceof vscode.Uri ? {} : (argument ?? {});
  if (source !== undefined) return { ...session.ref, source, ...(imatrix === undefined ? {} : { imatrix }) };
  const title = vscode.l10n.t('Which model was {0} made of?', basename(session.path));
  const picked = await pickModel(services, title, session.path);
  if (picked === undefined) return undefined;
  const [without, choose] = [
    vscode.l10n.t('Without an importance matrix'),
    vscode.l10n.t('Choose its importance matrix…'),
  ];
  const choice = await vscode.window.showQuickPick([without, choose], {
    title: vscode.l10n.t('How was {0} made?', basename(session.path)),
  });
  if (choice === undefined) return undefined;
  if (choice === without) return { ...session.ref, source: picked };
  const file = await askFile(session, dialogs.imatrix);
  return file === undefined ? undefined : { ...session.ref, source: picked, imatrix: file };
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function verify(
  { engine, notices, log, start }: Services,
  reports: Reports,
  params: ProvenanceParams,
): Promise<ProvenanceResult | undefined> {
  const title = vscode.l10n.t('Verify {0} against its source', basename(params.path));
  try {
    const result = await withProgress(title, (call) =>
      engine.call('model/verifySource', params, { ...call, title }),
    );
    start(announce(reports, result));
    return result;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return undefined;
    log.error(`Verification against a source: ${messageOf(error)}`);
    void notices.error(vscode.l10n.t('The verification failed. {0}', shownMessage(error)));
    return undefined;
  }
}

/** The result as a page of its own; the document is read-only, so that closing it asks nothing. */
async function announce(reports: Reports, result: ProvenanceResult): Promise<void> {
  const title = vscode.l10n.t('{0} against {1}', basename(result.path), basename(result.source));
  await vscode.commands.executeCommand(
    'markdown.showPreview',
    reports.add(title, provenanceMarkdown(result)),
  );
}

/** Reports as documents that no file holds; the latest ones are kept. */
class Reports implements vscode.TextDocumentContentProvider {
  private static readonly most = 20;
  private readonly texts = new Map<string, string>();
  private count = 0;

  add(title: string, content: string): vscode.Uri {
    this.count += 1;
    const uri = vscode.Uri.from({ scheme: reportScheme, path: `/${this.count}/${title}.md` });
    this.texts.set(uri.toString(), content);
    const [oldest] = this.texts.keys();
    if (oldest !== undefined && this.texts.size > Reports.most) this.texts.delete(oldest);
    return uri;
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? vscode.l10n.t('The report is gone: verify the file again.');
  }
}

const reportScheme = 'quantscope-report';
