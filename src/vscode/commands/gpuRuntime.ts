import * as vscode from 'vscode';
import { QuantscopeError } from '../../model/errors';
import type { EngineProgress } from '../../protocol/engine';
import type { GpuRuntimeStatus } from '../../protocol/gpuRuntime';
import { commands, settings } from '../contributions';
import { messageOf } from '../host';
import type { Services } from '../services';

/** Install and Remove GPU Runtime, and what must happen when the available devices change. */
export function registerGpuRuntime(services: Services): vscode.Disposable {
  const register = (
    id: string,
    title: string,
    run: (services: Services) => Promise<void>,
  ): vscode.Disposable => vscode.commands.registerCommand(id, () => reportFailure(services, title, run));
  return vscode.Disposable.from(
    register(commands.installGpuRuntime, 'Install GPU Runtime', install),
    register(commands.removeGpuRuntime, 'Remove GPU Runtime', remove),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration(`${settings.section}.${settings.allowSoftwareGpu}`))
        services.start(reportFailure(services, 'Allow Software GPU', useFromNowOn));
    }),
  );
}

/** Nothing is downloaded before the user has seen what, from where and how much, and agreed; every time. */
async function install(services: Services): Promise<void> {
  const { engine } = services;
  const { unsupported } = await engine.call('gpuRuntime/status', {});
  if (unsupported !== undefined) return inform(services, unsupported);
  const offer = await withProgress('Looking up the GPU runtime', (call) =>
    engine.call('gpuRuntime/offer', proxy(), call),
  );
  const agree = 'Download and Install';
  const { question, detail, sha512 } = offer;
  const paragraphs = detail.replaceAll('\n', '\n\n');
  const answer = await vscode.window.showWarningMessage(question, { modal: true, detail: paragraphs }, agree);
  if (answer !== agree) return;
  const status = await withProgress('GPU runtime', (call) =>
    engine.call('gpuRuntime/install', { sha512, ...proxy() }, call),
  );
  await useFromNowOn(services);
  inform(services, installedText(status));
}

async function remove(services: Services): Promise<void> {
  const before = await services.engine.call('gpuRuntime/status', {});
  if (before.bytes === 0) return inform(services, 'There is no GPU runtime to remove.');
  const after = await services.engine.call('gpuRuntime/remove', {});
  await useFromNowOn(services);
  inform(services, `The GPU runtime was removed and ${megabytes(before.bytes - after.bytes)} were freed.`);
}

/**
 * A process keeps the libraries and the environment that it started with: fresh ones probe the device, and the status bar
 * follows. Running jobs finish on the device that they started on.
 */
async function useFromNowOn({ engine, devices }: Services): Promise<void> {
  engine.renew();
  await devices.refresh();
}

function installedText({ version, problem }: GpuRuntimeStatus): string {
  return `ONNX Runtime's CUDA libraries ${version} are installed. ${problem ?? 'The status bar shows the device.'}`;
}

interface CallOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EngineProgress) => void;
}

function withProgress<T>(title: string, run: (options: CallOptions) => Promise<T>): Promise<T> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  const shown = vscode.window.withProgress(options, (progress, token) => {
    const controller = new AbortController();
    token.onCancellationRequested(() => controller.abort());
    let percent = 0;
    return run({
      signal: controller.signal,
      onProgress: (step) => {
        const now = (100 * step.done) / step.total;
        progress.report({ message: progressText(step), increment: Math.max(0, now - percent) });
        percent = now;
      },
    });
  });
  return Promise.resolve(shown);
}

function progressText({ message, done, total, secondsLeft }: EngineProgress): string {
  const left = secondsLeft === undefined ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  return `${message}: ${megabytes(done)} of ${megabytes(total)}${left}`;
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
    services.start(services.notices.error(`${title}: ${messageOf(error)}`));
  }
}

function inform({ notices }: Services, message: string): void {
  notices.info(message);
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
