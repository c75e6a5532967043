import * as vscode from 'vscode';
import type { Handlers } from '../../protocol/rpc';
import type { EvaluationView } from '../../protocol/evaluationView';
import type { WebviewRequests } from '../../protocol/webview';
import { askImportanceTarget, calibrate, evaluate, withNotices } from '../commands/evaluate';
import type { EvaluationSession } from '../evaluationSession';
import { messageOf } from '../host';
import type { ModelSession } from '../modelSession';
import { chosenDevice, type Services } from '../services';
import { textsBeside } from './texts';

type EvaluationHandlers = Pick<
  Handlers<WebviewRequests>,
  | 'openEvaluation'
  | 'keepEvaluationForm'
  | 'evaluate'
  | 'calibrate'
  | 'cancelEvaluation'
  | 'repeatEvaluation'
  | 'previewRecipe'
  | 'pairResults'
  | 'removeResult'
>;

/** Requests of the Evaluate tab. Runs are started, not awaited: events report their progress. */
export function evaluationHandlers(services: Services, session: ModelSession): EvaluationHandlers {
  const { evaluations, quantizations, refinements, context, start } = services;
  const evaluation = evaluations.get(session.ref);
  const formKey = `quantscope.evaluationForm:${session.path}`;
  return {
    openEvaluation: async () => {
      const against =
        quantizations.sourceOf(session.folder) ??
        quantizations.sourceOf(session.path) ??
        refinements.originalOf(session.path);
      return {
        ...(await stored(services, evaluation)),
        ...(evaluation.activity ? { activity: evaluation.activity } : {}),
        form: context.workspaceState.get(formKey),
        suggestions: {
          ...(await textsBeside(session.folder)),
          ...(against === undefined ? {} : { against }),
          device: chosenDevice(),
        },
      };
    },
    keepEvaluationForm: async ({ form }) => context.workspaceState.update(formKey, form),
    evaluate: async ({ settings: { usePlan, ...settings } }) =>
      start(evaluate(services, session.ref, { ...settings, ...(await session.plans.file(usePlan)) })),
    calibrate: async ({ settings }) => {
      const out = await askImportanceTarget(session.path);
      if (out !== undefined) start(calibrate(services, session.ref, { ...settings, out }));
    },
    cancelEvaluation: () => evaluation.cancel(),
    repeatEvaluation: () => start(withNotices(services, evaluation, () => evaluation.repeat())),
    previewRecipe: ({ settings }, { signal, progress }) =>
      services.engine.call(
        'evaluation/preview',
        { ...session.ref, cacheDir: services.evidenceDir, device: chosenDevice(), ...settings },
        { signal, onProgress: progress, title: vscode.l10n.t('Preview of errors by block') },
      ),
    pairResults: ({ a, b }, { signal }) => evaluation.pair(a, b, signal),
    removeResult: async ({ id }) => {
      const remove = vscode.l10n.t('Remove');
      const answer = await vscode.window.showWarningMessage(
        vscode.l10n.t('Remove this result? Only another run can restore it.'),
        { modal: true },
        remove,
      );
      if (answer === remove) await evaluation.remove(id);
    },
  };
}

/** Earlier results; damaged ones do not prevent a new run. */
async function stored(
  { log }: Services,
  evaluation: EvaluationSession,
): Promise<Pick<EvaluationView, 'results' | 'problem'>> {
  try {
    return { results: await evaluation.stored() };
  } catch (error) {
    log.error(`Stored results: ${messageOf(error)}`);
    return { results: [], problem: messageOf(error) };
  }
}
