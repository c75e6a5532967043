import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import type {
  CalibrationResult,
  CalibrationSettings,
  EvaluationResult,
  EvaluationSettings,
} from '../../protocol/evaluation';
import type { EvaluationActivity } from '../../protocol/webview';
import { commands } from '../contributions';
import { folderOf } from '../editor/files';
import type { EvaluationSession } from '../evaluationSession';
import { chosenDevice, type Services } from '../services';
import { openTab, targetSession, type ModelArgument } from './targets';

/** Arguments that other code may pass; with `settings` the run starts at once, else the tab with the form opens. */
type EvaluateArgument = ModelArgument & { readonly settings?: Partial<EvaluationSettings> };
type CalibrateArgument = ModelArgument & {
  readonly settings?: Partial<CalibrationSettings> & { text: string; out: string };
};

/** Evaluate… and Compute Importance Matrix…: both are set up on the Evaluate tab of the editor. */
export function registerEvaluate(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(
      commands.evaluate,
      async (argument?: EvaluateArgument): Promise<EvaluationResult | undefined> => {
        const session = await targetSession(services, argument);
        if (session && argument?.settings)
          return evaluate(services, session.path, { device: chosenDevice(), ...argument.settings });
        if (session) await openTab(session, 'evaluate');
        return undefined;
      },
    ),
    vscode.commands.registerCommand(
      commands.computeImportance,
      async (argument?: CalibrateArgument): Promise<CalibrationResult | undefined> => {
        const session = await targetSession(services, argument);
        if (session && argument?.settings)
          return calibrate(services, session.path, { device: chosenDevice(), ...argument.settings });
        if (session) await openTab(session, 'importance');
        return undefined;
      },
    ),
  );
}

/** Runs an evaluation. @returns undefined when it ended without a result, which the tab or a notice has said. */
export function evaluate(
  services: Services,
  path: string,
  settings: EvaluationSettings,
): Promise<EvaluationResult | undefined> {
  const session = services.evaluations.get(path);
  const { type, format, planFile, text, tasks } = settings;
  const variant = type ?? format ?? (planFile === undefined ? 'The original' : basename(planFile));
  const title = `${variant} on ${basename(text ?? tasks ?? 'nothing')}`;
  return withNotices(services, session, () => session.evaluate(settings, title));
}

export function calibrate(
  services: Services,
  path: string,
  settings: CalibrationSettings & { out: string },
): Promise<CalibrationResult | undefined> {
  const session = services.evaluations.get(path);
  const title = `Importance matrix from ${basename(settings.text)}`;
  return withNotices(services, session, () => session.calibrate(settings, title));
}

/** Asks where the matrix goes; undefined when the person cancelled. */
export async function askImportanceTarget(path: string): Promise<string | undefined> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(folderOf({ path }), 'imatrix.gguf')),
    filters: { 'Importance matrix (GGUF)': ['gguf'], 'Importance matrix (older format)': ['dat'] },
    title: 'Compute an importance matrix',
  });
  return target?.fsPath;
}

/** While it runs the status bar says how far it is; where no editor shows the end, a notice does. */
export async function withNotices<T>(
  services: Services,
  session: EvaluationSession,
  run: () => Promise<T>,
): Promise<T> {
  const options = { location: vscode.ProgressLocation.Window, title: 'Quantscope' };
  const result = await vscode.window.withProgress(options, async (progress) => {
    const events = session.onEvent((event) => {
      if (event.name === 'evaluation') progress.report({ message: shortText(event.payload) });
    });
    try {
      return await run();
    } finally {
      events.dispose();
    }
  });
  if (session.activity && !isOpen(session.path)) void announce(services, session.path, session.activity);
  return result;
}

function shortText({ title, progress }: EvaluationActivity): string {
  if (!progress) return title;
  const left = progress.secondsLeft === undefined ? '' : `, ${Math.ceil(progress.secondsLeft)} s left`;
  return `${title}: ${progress.done}/${progress.total}${left}`;
}

const isOpen = (path: string): boolean =>
  vscode.window.tabGroups.all
    .flatMap(({ tabs }) => tabs)
    .some(({ input }) => input instanceof vscode.TabInputCustom && input.uri.fsPath === path);

async function announce(
  { sessions }: Services,
  path: string,
  { title, outcome }: EvaluationActivity,
): Promise<void> {
  if (!outcome || outcome.kind === 'cancelled') return;
  const show = 'Show';
  const answer =
    'message' in outcome
      ? await vscode.window.showErrorMessage(`${title}: ${outcome.message}`, show)
      : await vscode.window.showInformationMessage(`${title}: finished.`, show);
  if (answer === show)
    await openTab(sessions.get(path), outcome.kind === 'calibrated' ? 'importance' : 'evaluate');
}
