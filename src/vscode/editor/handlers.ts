import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import { QuantscopeError } from '../../model/errors';
import type { ExportSettings } from '../../protocol/export';
import { PlanSteps } from '../../protocol/planStep';
import type { Handlers } from '../../protocol/rpc';
import type { PanelSettings } from '../../protocol/exportChoices';
import type { WebviewRequests } from '../../protocol/webview';
import { plural } from '../../protocol/words';
import { commands } from '../contributions';
import { Latest } from '../latest';
import type { ModelSession } from '../modelSession';
import { fileNameOf } from '../paths';
import type { Services } from '../services';
import type { EditorPage } from './editors';
import { compareHandlers } from './compareHandlers';
import { chatHandlers } from './chatHandlers';
import { evaluationHandlers } from './evaluationHandlers';
import { modelHandlers } from './modelHandlers';
import { loadTensorTypes, saveTensorTypes } from './exportFiles';
import { chooseFile } from './files';
import { methodHandlers } from './methodHandlers';
import { saveOverrides } from './overrideFiles';
import { textsBeside } from './texts';
import { quantizationHandlers } from './quantizationHandlers';
import { refinementHandlers } from './refinementHandlers';
import { scanHandlers } from './scanHandlers';
import { seenHandlers } from './seenHandlers';

/** Requests of an editor's page. Long jobs are started, not awaited: events report their progress. */
export function pageHandlers(
  services: Services,
  session: ModelSession,
  page: EditorPage,
): Handlers<WebviewRequests> {
  const { engine, start } = services;
  const target = targetOf(session);
  return {
    ...evaluationHandlers(services, session),
    ...chatHandlers(services, session),
    ...planHandlers(services, session),
    ...exportHandlers(services, session),
    ...quantizationHandlers(services, session),
    ...refinementHandlers(services, session),
    ...methodHandlers(services, session),
    ...modelHandlers(services, session),
    ...seenHandlers(session),
    ...scanHandlers(services, session),
    ...compareHandlers(services, session),
    ready: async () => page.loaded(await session.open()),
    openAlone: ({ alone }) => start(page.actions.openAlone(alone)),
    analyse: (params, { signal, progress }) =>
      engine.call('tensor/analyse', { ...session.ref, ...params }, { signal, onProgress: progress }),
    codePoints: (params, { signal }) =>
      engine.call('tensor/codePoints', { ...session.ref, ...params }, { signal }),
    stored: ({ tensor }, { signal }) => engine.call('tensor/stored', { ...session.ref, tensor }, { signal }),
    region: (params, { signal }) => engine.call('tensor/region', { ...session.ref, ...params }, { signal }),
    metadata: (params, { signal }) =>
      engine.call('model/metadata', { ...session.ref, ...params }, { signal }),
    quantize: ({ tensors, formats, choose }) =>
      run(commands.quantizeLayer, {
        ...{ quantscopeModel: session.path, quantscopeTensors: tensors, alone: session.alone },
        ...(formats ? { formats } : {}),
        ...(choose === undefined ? {} : { choose }),
      }),
    saveQuantized: (params, { signal }) => saveQuantized(services, session, params, signal),
    estimateSensitivity: (_, { signal }) => session.estimateSensitivity(signal),
    runSensitivity: () => start(session.runSensitivity()),
    runSensitivityOverText: () => start(run(commands.runSensitivityOverText, target)),
    runForFewBits: () => start(session.runForFewBits()),
    cancelJob: () => session.cancelJob(),
    resumeJob: () => start(session.resumeJob()),
    chooseFile: ({ kind }) => chooseFile(session, kind),
  };
}

/** What a page shows, as commands take it. */
const targetOf = ({ path, alone }: ModelSession) => ({ model: path, alone });

const run = async <T>(command: string, argument: unknown): Promise<T> =>
  vscode.commands.executeCommand<T>(command, argument);

type PlanHandlers = Pick<
  Handlers<WebviewRequests>,
  | 'sensitivityFigures'
  | 'plan'
  | 'solvePlan'
  | 'planFront'
  | 'formatReasons'
  | 'constrainPlan'
  | 'bindFormats'
  | 'pinInPlan'
  | 'smallestBudget'
  | 'fitPlan'
  | 'replaceEditedPlan'
  | 'savePlan'
  | 'savedPlans'
  | 'showPlan'
  | 'otherPlan'
  | 'measurePlan'
  | 'beatFile'
  | 'textsBeside'
  | 'saveOverrides'
>;

function planHandlers({ start }: Services, session: ModelSession): PlanHandlers {
  const steps = new PlanSteps();
  return {
    sensitivityFigures: () => session.figures,
    plan: ({ since }) => session.revisedPlan && steps.next(session.revisedPlan, since),
    solvePlan: ({ budget, since, moving }) =>
      steps.next(session.plans.solve(budget, moving ? 'quick' : 'exact'), since),
    planFront: () => session.plans.front,
    formatReasons: ({ tensor }) => session.plans.reasons(tensor),
    constrainPlan: ({ constraints }) => session.plans.constrain(constraints),
    bindFormats: ({ tensors, binding }) => session.plans.bind(tensors, binding),
    pinInPlan: ({ tensor, format }) => session.plans.pin(tensor, format),
    smallestBudget: ({ divergence }) => ({ bitsPerWeight: session.plans.bitsFor(divergence) }),
    fitPlan: ({ request }, { signal }) => session.plans.fit(request, signal),
    savedPlans: (_, { signal }) => session.plans.saved(signal),
    showPlan: ({ file }) => session.plans.show(file),
    otherPlan: ({ other }, { signal }) => session.plans.other(other, signal),
    measurePlan: async ({ budget, ...params }, { signal, progress }) => {
      if (budget) session.plans.solve(budget);
      return session.plans.measure(params, { signal, onProgress: progress });
    },
    beatFile: () => start(run(commands.beatFile, targetOf(session))),
    textsBeside: () => textsBeside(session.folder),
    replaceEditedPlan: ({ replace }) => session.plans.replaceEdited(replace),
    saveOverrides: ({ kind, budget }) => {
      if (budget) session.plans.solve(budget);
      return saveOverrides(session, kind);
    },
    savePlan: ({ budget }) => run(commands.savePlan, { ...targetOf(session), budget }),
  };
}

type ExportHandlers = Pick<
  Handlers<WebviewRequests>,
  'exportChoices' | 'previewExport' | 'startExport' | 'loadTensorTypes' | 'saveTensorTypes' | 'exportGguf'
>;

function exportHandlers({ engine }: Services, session: ModelSession): ExportHandlers {
  const settingsOf = async ({ usePlan, ...settings }: PanelSettings): Promise<ExportSettings> => ({
    ...settings,
    ...(await session.plans.file(usePlan)),
  });
  const previews = new Latest();
  return {
    exportChoices: (_, { signal }) => engine.call('export/fileTypes', {}, { signal }),
    previewExport: async ({ settings }, { signal }) => {
      const latest = previews.next(signal);
      const params = { ...session.ref, ...(await settingsOf(settings)) };
      return engine.call('export/preview', params, { signal: latest });
    },
    startExport: async ({ settings }) =>
      vscode.commands.executeCommand(commands.exportGguf, {
        ...targetOf(session),
        settings: await settingsOf(settings),
      }),
    loadTensorTypes: () => loadTensorTypes(session),
    saveTensorTypes: ({ rules }) => saveTensorTypes(session, rules),
    exportGguf: async ({ plan, budget }) => {
      if (plan && budget) session.plans.solve(budget);
      const command = plan ? commands.exportWithPlan : commands.exportGguf;
      await vscode.commands.executeCommand(command, { ...targetOf(session), usePlan: plan });
    },
  };
}

async function saveQuantized(
  { engine }: Services,
  session: ModelSession,
  { choices }: WebviewRequests['saveQuantized']['params'],
  signal: AbortSignal,
): Promise<{ out: string } | undefined> {
  const [first, ...rest] = choices;
  if (!first) throw new QuantscopeError('REQUEST', vscode.l10n.t('No tensor was chosen.'));
  const name = rest.length === 0 ? fileNameOf(first.tensor) : `${choices.length}-tensors`;
  const format = rest.every((choice) => choice.format === first.format) ? first.format : 'quantized';
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.joinPath(
      vscode.Uri.file(outputFolder(session.folder)),
      `${name}.${format}.safetensors`,
    ),
    filters: { Safetensors: ['safetensors'] },
  });
  if (!target) return undefined;
  const { out } = await engine.call(
    'tensor/quantize',
    { ...session.ref, choices, out: target.fsPath },
    { signal, title: vscode.l10n.t('Quantize {0}', plural(choices.length, 'tensor')) },
  );
  return { out };
}
