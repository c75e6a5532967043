import * as vscode from 'vscode';
import { EngineClient } from '../engine/client';
import type { DeviceChoice } from '../protocol/plan';
import { settings } from './contributions';
import { Evaluations } from './evaluationSession';
import { Sessions } from './sessions';

/** What the parts of the extension share; built once in activate(). */
export interface Services {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly engine: EngineClient;
  readonly sessions: Sessions;
  readonly evaluations: Evaluations;
}

export function createServices(context: vscode.ExtensionContext): Services {
  const log = vscode.window.createOutputChannel('Quantscope', { log: true });
  const engine = new EngineClient({
    entry: vscode.Uri.joinPath(context.extensionUri, 'dist', 'engine.mjs').fsPath,
    get env() {
      return engineEnvironment(context);
    },
    log: (line) => log.info(`engine: ${line}`),
    onExit: (reason) => log.error(`The engine process ended: ${reason}`),
  });
  const sessions = new Sessions(engine, log, {
    sensitivityDir: vscode.Uri.joinPath(context.globalStorageUri, 'sensitivity').fsPath,
    planDir: vscode.Uri.joinPath(context.globalStorageUri, 'plans').fsPath,
    device: chosenDevice,
  });
  const evaluationDir = vscode.Uri.joinPath(context.globalStorageUri, 'evaluation').fsPath;
  const evaluations = new Evaluations(engine, log, evaluationDir);
  context.subscriptions.push(log, sessions, evaluations, engine);
  return { context, log, engine, sessions, evaluations };
}

export function chosenDevice(): DeviceChoice {
  return vscode.workspace.getConfiguration(settings.section).get<DeviceChoice>(settings.device, 'auto');
}

/** What the engine process learns from the settings, as they are when it starts. */
function engineEnvironment({ globalStorageUri }: vscode.ExtensionContext): Record<string, string> {
  const configuration = vscode.workspace.getConfiguration(settings.section);
  const threads = configuration.get<number>(settings.threads, 0);
  return {
    QUANTSCOPE_GPU_RUNTIME: vscode.Uri.joinPath(globalStorageUri, 'gpu-runtime').fsPath,
    QUANTSCOPE_ALLOW_SOFTWARE_GPU: configuration.get<boolean>(settings.allowSoftwareGpu, false) ? '1' : '',
    ...(threads > 0 ? { QUANTSCOPE_THREADS: String(threads) } : {}),
  };
}
