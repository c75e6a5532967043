import * as vscode from 'vscode';
import type { CommandTab } from '../../protocol/editorState';
import type { LocatedModel } from '../../protocol/model';
import type { DeviceChoice } from '../../protocol/device';
import type { TensorContext } from '../../protocol/webview';
import { commands, settings } from '../contributions';
import { openEditor } from '../editor/openEditor';
import { askText } from '../editor/texts';
import { jobText } from '../status';
import { chosenDevice, type Services } from '../services';
import { jobsOf, type JobNode } from '../views/nodes';
import { isPossible, targetSession, wholeSession, type ModelArgument } from './targets';

const devices: readonly { label: string; device: DeviceChoice; detail: string }[] = [
  {
    label: vscode.l10n.t('Automatic'),
    device: 'auto',
    detail: vscode.l10n.t('CUDA if available, else WebGPU, else the native addon'),
  },
  {
    label: 'CUDA',
    device: 'cuda',
    detail: vscode.l10n.t('ONNX Runtime on an NVIDIA GPU (Linux x64)'),
  },
  { label: 'WebGPU', device: 'webgpu', detail: vscode.l10n.t('ONNX Runtime on any GPU') },
  {
    label: vscode.l10n.t('Native addon'),
    device: 'cpu',
    detail: vscode.l10n.t('All cores of the processor'),
  },
];

/** Commands for the engine process and its jobs. */
export function registerEngineCommands(services: Services): vscode.Disposable {
  const { log } = services;
  const register = (id: string, run: (argument?: ModelArgument) => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(id, run);
  return vscode.Disposable.from(
    register(commands.showLog, () => log.show()),
    register(commands.cancelJob, (argument) => cancelJob(services, argument)),
    register(commands.runSensitivity, async (argument) =>
      (await targetSession(services, argument))?.runSensitivity(),
    ),
    register(commands.runSensitivityOverText, (argument) => runOverText(services, argument)),
    register(commands.openModel, (argument) => openModel(services, argument)),
    register(commands.copyName, copyName),
    register(commands.restartEngine, () => restartEngine(services)),
    register(commands.selectDevice, () => selectDevice(services)),
    register(commands.revealTensor, (argument) =>
      revealTensor(services, argument as { model: string; tensor: string }),
    ),
  );
}

async function runOverText(services: Services, argument: ModelArgument): Promise<void> {
  const session = await wholeSession(services, argument);
  if (!session || !(await isPossible(services, session, 'run'))) return;
  if (session.job.kind === 'running') {
    return services.notices.info(vscode.l10n.t('The sensitivity analysis of this model is already running.'));
  }
  const text = await askText(session);
  if (text !== undefined) await session.runSensitivity(text);
}

/** The job that a view names, or of a model in a view; else the running job. Of several, the one that the user picks. */
async function cancelJob({ engine, notices }: Services, argument: unknown): Promise<void> {
  const { job, located } = (argument ?? {}) as Partial<JobNode> & { readonly located?: LocatedModel };
  const running = located ? jobsOf(engine.jobs, located) : engine.jobs;
  const jobs = running.filter(({ id, cancelling }) => !cancelling && (job === undefined || id === job));
  if (jobs.length === 0) {
    return notices.info(vscode.l10n.t('No job is running.'));
  }
  const picked =
    jobs.length === 1
      ? jobs[0]
      : await vscode.window.showQuickPick(
          jobs.map((job) => ({ label: jobText(job), description: job.path ?? '', id: job.id })),
          { title: vscode.l10n.t('Quantscope: cancel which job?') },
        );
  if (picked) engine.cancelJob(picked.id);
}

/** Ends all engine processes; running jobs only with consent. */
async function restartEngine({ engine, notices }: Services): Promise<void> {
  const { jobs } = engine;
  if (jobs.length > 0) {
    const restart = vscode.l10n.t('Restart');
    const detail = jobs.map(({ title }) => `• ${title}`).join('\n');
    const message = vscode.l10n.t('Restarting the engine cancels running jobs.');
    if ((await vscode.window.showWarningMessage(message, { modal: true, detail }, restart)) !== restart)
      return;
  }
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('Restarting the engine') },
    () => engine.restart(),
  );
  notices.info(vscode.l10n.t('The engine was restarted.'));
}

async function selectDevice({ devices: found }: Services): Promise<void> {
  const current = chosenDevice();
  const items = devices.map((item) =>
    item.device === current
      ? { ...item, description: vscode.l10n.t('current{0}', usedOf(found, item.device)) }
      : item,
  );
  const picked = await vscode.window.showQuickPick(items, { title: vscode.l10n.t('Quantscope: device') });
  if (!picked) return;
  if (picked.device === current) return found.refresh();
  await vscode.workspace
    .getConfiguration(settings.section)
    .update(settings.device, picked.device, vscode.ConfigurationTarget.Global);
}

/** The outcome of a choice, where it differs from the choice. */
const usedOf = ({ current }: Services['devices'], choice: DeviceChoice): string =>
  current && choice === 'auto' ? `: ${current.label}` : '';

/** Open in Quantscope: the editor of a folder, an index, or a file whose name does not identify its format; `tab`: at one of its pages. */
async function openModel(
  services: Services,
  argument: (ModelArgument & { readonly tab?: CommandTab }) | undefined,
): Promise<void> {
  const session = await targetSession(services, argument);
  const tab = argument?.tab;
  if (session) await openEditor(services, session, tab === undefined ? {} : { tab });
}

/** Copies names of tensors, one per line. */
async function copyName(argument: unknown): Promise<void> {
  const { quantscopeTensors, quantscopeNames: names = quantscopeTensors } =
    argument as Partial<TensorContext>;
  if (names && names.length > 0) await vscode.env.clipboard.writeText(names.join('\n'));
}

/** Opens a model's editor at a tensor (hover links). */
function revealTensor(
  services: Services,
  { model, tensor }: { model: string; tensor: string },
): Promise<void> {
  return openEditor(services, { path: model, key: model }, { tensor, tab: 'tensor' });
}
