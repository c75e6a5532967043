import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import type {
  CalibrationResult,
  CalibrationSettings,
  EvaluationResult,
  EvaluationSettings,
  WeightVariant,
} from '../../protocol/evaluation';
import type { ModelRef } from '../../protocol/model';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import { openEditor } from '../editor/openEditor';
import { folderOf, recipeName, sessionKey } from '../paths';
import type { EvaluationSession } from '../evaluationSession';
import { chosenDevice, type Services } from '../services';
import { wholeSession, type ModelArgument } from './targets';
import { noticeText } from '../noticeText';

/** Arguments that other code may pass; with `settings` the run starts at once, else the tab with the form opens. */
type EvaluateArgument = ModelArgument & { readonly settings?: Partial<EvaluationSettings> };
type CalibrateArgument = ModelArgument & {
  readonly settings?: Partial<CalibrationSettings> & { text: string; out: string };
};

/** Evaluate… and Compute Importance Matrix…: both are configured on the Evaluate tab of the editor. */
export function registerEvaluate(services: Services): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand(
      commands.evaluate,
      async (argument?: EvaluateArgument): Promise<EvaluationResult | undefined> => {
        const session = await wholeSession(services, argument);
        if (session && argument?.settings)
          return evaluate(services, session.ref, { device: chosenDevice(), ...argument.settings });
        if (session) await openEditor(services, session, { tab: 'evaluate' });
        return undefined;
      },
    ),
    vscode.commands.registerCommand(
      commands.computeImportance,
      async (argument?: CalibrateArgument): Promise<CalibrationResult | undefined> => {
        const session = await wholeSession(services, argument);
        if (session && argument?.settings)
          return calibrate(services, session.ref, { device: chosenDevice(), ...argument.settings });
        if (session) await openEditor(services, session, { tab: 'importance' });
        return undefined;
      },
    ),
  );
}

/** Runs an evaluation. @returns undefined when it ended without a result, which the tab or a notice has reported. */
export function evaluate(
  services: Services,
  model: ModelRef,
  settings: EvaluationSettings,
): Promise<EvaluationResult | undefined> {
  const session = services.evaluations.get(model);
  const { text, tasks, pairs } = settings;
  const title = vscode.l10n.t(
    '{0} on {1}',
    variantName(settings),
    basename(pairs ?? text ?? tasks ?? 'nothing'),
  );
  return withNotices(services, session, () => session.evaluate(settings, title));
}

function variantName({ type, format, planFile, recipe }: WeightVariant): string {
  if (recipe) return recipeName(recipe);
  return type ?? format ?? (planFile === undefined ? vscode.l10n.t('The original') : basename(planFile));
}

export function calibrate(
  services: Services,
  model: ModelRef,
  settings: CalibrationSettings & { out: string },
): Promise<CalibrationResult | undefined> {
  const session = services.evaluations.get(model);
  const title = vscode.l10n.t('Importance matrix from {0}', basename(settings.text));
  return withNotices(services, session, () => session.calibrate(settings, title));
}

/** Asks where to save the matrix; undefined when the user cancelled. */
export async function askImportanceTarget(path: string): Promise<string | undefined> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(outputFolder(folderOf(path)), 'imatrix.gguf')),
    filters: {
      [vscode.l10n.t('Importance matrix (GGUF)')]: ['gguf'],
      [vscode.l10n.t('Importance matrix (older format)')]: ['dat'],
    },
    title: vscode.l10n.t('Compute an importance matrix'),
  });
  return target?.fsPath;
}

/** The status bar shows a run's progress; where no editor shows its end, a notice does. */
export async function withNotices<T>(
  services: Services,
  session: EvaluationSession,
  run: () => Promise<T>,
): Promise<T> {
  const result = await run();
  if (!services.editors.has(sessionKey(session.model))) services.start(announce(services, session));
  return result;
}

async function announce(services: Services, { model, activity }: EvaluationSession): Promise<void> {
  const { title, outcome } = activity ?? {};
  if (!outcome || outcome.kind === 'cancelled') return;
  const show = vscode.l10n.t('Show');
  const answer =
    'message' in outcome
      ? await vscode.window.showErrorMessage(noticeText(`${title}: ${inLanguage(outcome.message)}`), show)
      : await vscode.window.showInformationMessage(
          noticeText(vscode.l10n.t('{0}: finished.', title ?? '')),
          show,
        );
  if (answer === show)
    await openEditor(
      services,
      { path: model.path, key: sessionKey(model) },
      { tab: outcome.kind === 'calibrated' ? 'importance' : 'evaluate' },
    );
}
