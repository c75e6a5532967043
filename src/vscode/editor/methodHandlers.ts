import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import type { ModelSession } from '../modelSession';
import { fileNameOf } from '../paths';
import { chosenDevice, type Services } from '../services';
import { textsBeside } from './texts';

type MethodHandlers = Pick<
  Handlers<WebviewRequests>,
  'methodChoices' | 'lens' | 'errorMap' | 'estimateCalibration' | 'calibrateInputs' | 'saveMethod'
>;

/** Requests about one tensor by recipes. */
export function methodHandlers(services: Services, session: ModelSession): MethodHandlers {
  const { engine, evidenceDir: cacheDir } = services;
  /** Everything that methods may need, so that one pass serves them all. */
  const calibration = (text: string) => ({
    ...{ ...session.ref, cacheDir, text, device: chosenDevice() },
    needs: ['hessian', 'activations'] as const,
  });
  return {
    methodChoices: async (_, { signal }) => {
      const choices = await engine.call('methods/list', {}, { signal });
      const evidence = await engine.call('evidence/stored', { ...session.ref, cacheDir }, { signal });
      const { calibrationText: text } = await textsBeside(session.folder);
      return { ...choices, ...(text === undefined ? {} : { text }), ...(evidence ? { evidence } : {}) };
    },
    lens: (params, { signal, progress }) =>
      engine.call('tensor/lens', { ...session.ref, cacheDir, ...params }, { signal, onProgress: progress }),
    errorMap: (params, { signal }) =>
      engine.call('tensor/errorMap', { ...session.ref, cacheDir, ...params }, { signal }),
    estimateCalibration: ({ text, ...amount }, { signal }) =>
      engine.call('evidence/estimate', { ...calibration(text), ...amount }, { signal }),
    calibrateInputs: ({ text }, { signal, progress }) =>
      engine.call('evidence/run', calibration(text), {
        ...{ signal, onProgress: progress, title: vscode.l10n.t('Calibration') },
      }),
    saveMethod: (params, { signal }) => saveMethod(services, session, params, signal),
  };
}

async function saveMethod(
  { engine, evidenceDir: cacheDir }: Services,
  session: ModelSession,
  params: WebviewRequests['saveMethod']['params'],
  signal: AbortSignal,
): Promise<{ out: string } | undefined> {
  const name = `${fileNameOf(params.tensor)}.${params.method}-${params.grid}.safetensors`;
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.joinPath(vscode.Uri.file(outputFolder(session.folder)), name),
    filters: { Safetensors: ['safetensors'] },
  });
  if (!target) return undefined;
  const { out } = await engine.call(
    'tensor/saveMethod',
    { ...session.ref, cacheDir, ...params, out: target.fsPath },
    { signal, title: vscode.l10n.t('Quantize {0}', params.tensor) },
  );
  return { out };
}
