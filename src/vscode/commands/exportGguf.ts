import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { QuantscopeError } from '../../model/errors';
import type { ExportResult } from '../../protocol/export';
import type { ExportSettings } from '../../protocol/export';
import type { AdapterRef } from '../../protocol/model';
import { size } from '../../protocol/words';
import { commands } from '../contributions';
import { chooseFile } from '../editor/files';
import { openEditor } from '../editor/openEditor';
import { messageOf, shownMessage } from '../host';
import type { ModelSession } from '../modelSession';
import { chosenDevice, type Services } from '../services';
import { refineExported } from './refine';
import { isPossible, wholeSession, type ModelArgument } from './targets';
import { withProgress } from './withProgress';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with `out` no dialog is shown. */
type ExportArgument = ModelArgument & {
  readonly out?: string;
  readonly type?: string;
  readonly plan?: string;
  readonly usePlan?: boolean;
  /** Merged into the model. */
  readonly adapters?: readonly AdapterRef[];
  /** All settings of the export panel. */
  readonly settings?: ExportSettings;
};

export function registerExports(services: Services): vscode.Disposable {
  const register = (
    id: string,
    run: (argument?: ExportArgument) => Promise<ExportResult | undefined>,
  ): vscode.Disposable => vscode.commands.registerCommand(id, run);
  return vscode.Disposable.from(
    register(commands.exportQ4KM, (argument) => exportType(services, argument, 'Q4_K_M')),
    register(commands.exportGguf, (argument) => exportType(services, argument, argument?.type)),
    register(commands.exportWithPlan, (argument) => exportPlan(services, argument)),
  );
}

async function exportType(
  services: Services,
  argument: ExportArgument | undefined,
  type: string | undefined,
) {
  const session = await wholeSession(services, argument);
  if (!session || !(await isPossible(services, session, 'gguf'))) return undefined;
  const { adapters = [] } = argument ?? {};
  const hasPage = adapters.length === 0; // the page exports the model as it is
  const settings = argument?.settings ?? (type === undefined ? await pickType(services, hasPage) : { type });
  if (settings === moreOptions) await openEditor(services, session, { tab: 'export' });
  if (!settings || settings === moreOptions) return undefined;
  const name = settings.type ?? 'AMPQ';
  const out = argument?.out ?? (await askTarget(session, name));
  return out === undefined ? undefined : runExport(services, { session, out, settings, adapters, as: name });
}

/** What the quick pick returns when the user wants more than a type. */
const moreOptions = 'more options';
const usualTypes = ['Q4_K_M', 'Q5_K_M', 'Q6_K', 'Q8_0', 'F16'];

const more = {
  label: vscode.l10n.t('More options…'),
  description: vscode.l10n.t('opens the Export tab of the editor'),
  alwaysShow: true,
};

/** Those that need an importance matrix are in the export panel. */
async function pickType(
  { engine }: Services,
  hasPage: boolean,
): Promise<ExportSettings | typeof moreOptions | undefined> {
  const { fileTypes } = await engine.call('export/fileTypes', {});
  const rank = ({ label }: { label: string }): number => usualTypes.indexOf(label);
  const items = fileTypes
    .filter(({ needsImportance }) => !needsImportance)
    .map(({ name, label }) => ({ label: name, description: label, settings: { type: name } as const }))
    .reverse();
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const picked = await vscode.window.showQuickPick<vscode.QuickPickItem & { settings?: ExportSettings }>(
    [
      separator(vscode.l10n.t('usual')),
      ...items.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b)),
      ...(hasPage ? [separator(vscode.l10n.t('every option, with a preview')), more] : []),
      separator(vscode.l10n.t('all')),
      ...items.filter((item) => rank(item) < 0),
    ],
    { title: vscode.l10n.t('Export GGUF: file type'), matchOnDescription: true },
  );
  return picked && (picked.settings ?? moreOptions);
}

async function exportPlan(services: Services, argument: ExportArgument | undefined) {
  const session = await wholeSession(services, argument);
  if (!session || !(await isPossible(services, session, 'gguf'))) return undefined;
  const planFile = argument?.plan ?? (await choosePlan(session, argument?.usePlan === true));
  if (planFile === undefined) return undefined;
  const out = argument?.out ?? (await askTarget(session, 'AMPQ'));
  return out === undefined
    ? undefined
    : runExport(services, { session, out, settings: { planFile }, as: vscode.l10n.t('AMPQ plan') });
}

/** The plan of the editor, or a file. */
async function choosePlan(session: ModelSession, current: boolean): Promise<string | undefined> {
  const fromEditor =
    session.plan &&
    vscode.l10n.t('Current plan ({0} bits per weight)', session.plan.total.bitsPerWeight.toFixed(2));
  if (current && session.plan) return session.plans.write(session.plan);
  const fromFile = vscode.l10n.t('Plan file…');
  const picked = await vscode.window.showQuickPick(
    [...(fromEditor === undefined ? [] : [fromEditor]), fromFile],
    { title: vscode.l10n.t('Export with which plan?') },
  );
  if (picked === undefined) return undefined;
  if (picked !== fromFile && session.plan) return session.plans.write(session.plan);
  return (await chooseFile(session, 'plan'))?.path;
}

async function askTarget(session: ModelSession, type: string): Promise<string | undefined> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(session.folder), `${session.fileName}-${type}.gguf`)),
    filters: { GGUF: ['gguf'] },
    title: vscode.l10n.t('Export GGUF {0}', type),
  });
  return target?.fsPath;
}

interface ExportRun {
  readonly session: ModelSession;
  readonly out: string;
  readonly settings: ExportSettings;
  readonly adapters?: readonly AdapterRef[];
  /** What it is exported as. */
  readonly as: string;
}

/** @returns undefined when it was cancelled or failed; a notice has said why. */
async function runExport(services: Services, run: ExportRun): Promise<ExportResult | undefined> {
  const { session, out, settings, adapters = [] } = run;
  const ref = adapters.length === 0 ? session.ref : { ...session.ref, adapters };
  try {
    const result = await withProgress(vscode.l10n.t('Export GGUF {0}', run.as), (call) =>
      services.engine.call(
        'export/gguf',
        { ...ref, out, cacheDir: services.evidenceDir, device: chosenDevice(), ...settings },
        { ...call, title: vscode.l10n.t('Export {0}', basename(out)) },
      ),
    );
    services.start(announce(services, session, result, adapters.length === 0));
    return result;
  } catch (error) {
    const code = error instanceof QuantscopeError ? error.code : 'INTERNAL';
    if (code === 'CANCELLED') return undefined;
    services.log.error(`Export: ${messageOf(error)}`);
    services.start(reportFailure(services, run, shownMessage(error), code === 'ENGINE_DIED'));
    return undefined;
  }
}

async function reportFailure(
  services: Services,
  run: ExportRun,
  message: string,
  isRepeatable: boolean,
): Promise<void> {
  const again = vscode.l10n.t('Export Again');
  const answer = await services.notices.error(
    vscode.l10n.t('The export failed. {0}', message),
    ...(isRepeatable ? [again] : []),
  );
  if (answer !== again) return;
  services.engine.forgiveCrashes();
  await runExport(services, run);
}

async function announce(
  services: Services,
  session: ModelSession,
  { out, fileBytes, bitsPerWeight, seconds }: ExportResult,
  isPlain: boolean, // a refinement's original is a model without adapters
): Promise<void> {
  const [open, refine] = [vscode.l10n.t('Open'), vscode.l10n.t('Refine…')];
  const bits =
    bitsPerWeight === undefined ? '' : vscode.l10n.t('{0} bits per weight, ', bitsPerWeight.toFixed(2));
  const figures = `${size(fileBytes)}, ${bits}${seconds.toFixed(1)} s`;
  const message = vscode.l10n.t('Exported {0}: {1}.', basename(out), figures);
  const isTrainable = isPlain && (await isRunnable(services, session));
  const actions = isTrainable ? [open, refine] : [open];
  const answer = await vscode.window.showInformationMessage(noticeText(message), ...actions);
  if (answer === refine) await refineExported(services, session, out);
  if (answer === open) await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(out));
}

/** Whether the model can be run over a text; not where it cannot be read any more. */
const isRunnable = ({ engine }: Services, { ref }: ModelSession): Promise<boolean> =>
  engine.call('model/limits', ref).then(
    ({ run }) => run === undefined,
    () => false,
  );
