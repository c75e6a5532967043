import * as vscode from 'vscode';
import type { DeviceChoice } from '../../protocol/plan';
import { commands, settings, viewTypes } from '../contributions';
import { askText } from '../editor/texts';
import type { Services } from '../services';
import { targetSession, type ModelArgument } from './targets';

const devices: readonly { label: string; device: DeviceChoice; detail: string }[] = [
  { label: 'Automatic', device: 'auto', detail: 'CUDA, else WebGPU, else the native addon' },
  { label: 'CUDA', device: 'cuda', detail: 'ONNX Runtime on an NVIDIA GPU (Linux x64)' },
  { label: 'WebGPU', device: 'webgpu', detail: 'ONNX Runtime on any GPU' },
  { label: 'Native addon', device: 'cpu', detail: 'All cores of the processor' },
];

/** Commands about the engine process and what it runs. */
export function registerEngineCommands(services: Services): vscode.Disposable {
  const { log, sessions, engine } = services;
  const register = (id: string, run: (argument?: ModelArgument) => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(id, run);
  return vscode.Disposable.from(
    register(commands.showLog, () => log.show()),
    register(commands.cancelJob, () => sessions.active?.cancelJob()),
    register(commands.runSensitivity, async (argument) =>
      (await targetSession(services, argument))?.runSensitivity(),
    ),
    register(commands.runSensitivityOverText, (argument) => runOverText(services, argument)),
    register(commands.restartEngine, () =>
      sessions.active ? sessions.active.restartEngine() : engine.restart(),
    ),
    register(commands.selectDevice, () => selectDevice(services)),
    register(commands.revealTensor, (argument) =>
      revealTensor(services, argument as { model: string; tensor: string }),
    ),
  );
}

async function runOverText(services: Services, argument: ModelArgument): Promise<void> {
  const session = await targetSession(services, argument);
  if (!session) return;
  if (session.job.kind === 'running') {
    void vscode.window.showInformationMessage('The sensitivity analysis of this model is running already.');
    return;
  }
  const text = await askText(session);
  if (text !== undefined) await session.runSensitivity(text);
}

async function selectDevice({ sessions }: Services): Promise<void> {
  const running = sessions.active?.job.kind === 'running';
  const cancel = { label: '$(stop) Cancel the running job', detail: '' };
  const picked = await vscode.window.showQuickPick([...(running ? [cancel] : []), ...devices], {
    title: 'Quantscope: device',
  });
  if (!picked) return;
  if (!('device' in picked)) return sessions.active?.cancelJob();
  await vscode.workspace
    .getConfiguration(settings.section)
    .update(settings.device, picked.device, vscode.ConfigurationTarget.Global);
  await sessions.active?.probe(true);
}

/** Opens a model's editor at a tensor (hover links). */
async function revealTensor(
  { sessions }: Services,
  { model, tensor }: { model: string; tensor: string },
): Promise<void> {
  const viewType = model.endsWith('.index.json') ? viewTypes.index : viewTypes.model;
  sessions.get(model).reveal(tensor);
  await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(model), viewType);
}
