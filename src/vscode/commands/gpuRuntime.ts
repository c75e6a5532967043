import { readdir } from 'node:fs/promises';
import * as vscode from 'vscode';
import { QuantscopeError } from '../../model/errors';
import { hasGpuRuntime, type GpuRuntimeStatus } from '../../protocol/gpuRuntime';
import { size } from '../../protocol/words';
import { commands, contextKeys, settings } from '../contributions';
import { messageOf, shownMessage } from '../host';
import type { Services } from '../services';
import { setContext } from '../setContext';
import { withProgress } from './withProgress';

/** Install and Remove GPU Runtime, and what must happen when the available devices change. */
export function registerGpuRuntime(services: Services): vscode.Disposable {
  const register = (
    id: string,
    title: string,
    run: (services: Services) => Promise<void>,
  ): vscode.Disposable => vscode.commands.registerCommand(id, () => reportFailure(services, title, run));
  services.start(tellPalette(services));
  return vscode.Disposable.from(
    register(commands.installGpuRuntime, vscode.l10n.t('Install GPU Runtime'), install),
    register(commands.removeGpuRuntime, vscode.l10n.t('Remove GPU Runtime'), remove),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration(`${settings.section}.${settings.allowSoftwareGpu}`))
        services.start(reportFailure(services, vscode.l10n.t('Allow Software GPU'), useFromNowOn));
    }),
  );
}

/** Nothing is downloaded before the user has seen what, from where and how much, and agreed; every time. */
async function install(services: Services): Promise<void> {
  const { engine, notices } = services;
  const { unsupported } = await engine.call('gpuRuntime/status', {});
  if (unsupported !== undefined) return notices.info(unsupported);
  const offer = await withProgress(vscode.l10n.t('Looking up the GPU runtime'), (call) =>
    engine.call('gpuRuntime/offer', proxy(), call),
  );
  const agree = vscode.l10n.t('Download and Install');
  const { question, detail, sha512 } = offer;
  const paragraphs = detail.replaceAll('\n', '\n\n');
  const answer = await vscode.window.showWarningMessage(question, { modal: true, detail: paragraphs }, agree);
  if (answer !== agree) return;
  const status = await withProgress(vscode.l10n.t('GPU runtime'), (call) =>
    engine.call('gpuRuntime/install', { sha512, ...proxy() }, call),
  );
  await useFromNowOn(services);
  notices.info(installedText(status));
}

async function remove(services: Services): Promise<void> {
  const { engine, notices } = services;
  const before = await engine.call('gpuRuntime/status', {});
  if (before.bytes === 0) return notices.info(vscode.l10n.t('There is no GPU runtime to remove.'));
  const after = await engine.call('gpuRuntime/remove', {});
  await useFromNowOn(services);
  notices.info(
    vscode.l10n.t('The GPU runtime was removed and {0} were freed.', size(before.bytes - after.bytes)),
  );
}

/**
 * A process keeps the libraries and the environment that it started with: fresh ones probe the device, and the status bar
 * follows. Running jobs finish on the device that they started on.
 */
async function useFromNowOn(services: Services): Promise<void> {
  services.engine.renew();
  await tellPalette(services);
  await services.devices.refresh();
}

/** Whether there is something to install or to remove; the engine is not asked. */
async function tellPalette({ gpuRuntimeDir }: Services): Promise<void> {
  const kept = await readdir(gpuRuntimeDir).catch(() => []);
  await setContext(contextKeys.gpuRuntimeUnsupported, !hasGpuRuntime(process));
  await setContext(contextKeys.gpuRuntimeAbsent, kept.length === 0);
}

function installedText({ version, problem }: GpuRuntimeStatus): string {
  return vscode.l10n.t(
    "ONNX Runtime's CUDA libraries {0} are installed. {1}",
    version,
    problem ?? vscode.l10n.t('The status bar shows the device.'),
  );
}

/** The proxy of the settings, which takes precedence over the environment's. */
function proxy(): { proxy?: string } {
  const address = vscode.workspace.getConfiguration('http').get<string>('proxy', '');
  return address === '' ? {} : { proxy: address };
}

async function reportFailure(
  services: Services,
  title: string,
  run: (services: Services) => Promise<void>,
): Promise<void> {
  try {
    await run(services);
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'CANCELLED') return;
    services.log.error(`${title}: ${messageOf(error)}`);
    services.start(services.notices.error(`${title}: ${shownMessage(error)}`));
  }
}
