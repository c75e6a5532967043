import type { GpuRuntimeStatus } from '../protocol/gpuRuntime';
import type { DeviceReport } from '../protocol/plan';
import { UsageError, type Command, type CommandContext, type CommandResult } from './command';
import { deviceOption, devices } from './sensitivity';
import { size } from './text';

const actions: Readonly<Record<string, (context: CommandContext) => Promise<CommandResult>>> = {
  status,
  install,
  remove,
};

/** CUDA libraries of ONNX Runtime: what there is, fetching them, removing them. */
export const gpuRuntimeCommand: Command = {
  name: 'gpu-runtime',
  actions: Object.keys(actions),
  summary: "ONNX Runtime's CUDA libraries (Linux x64), and the device that is used",
  options: {
    yes: { type: 'boolean', help: 'install: agree to the download, which is described without it' },
    device: { type: 'string', value: 'D', help: `status: probe ${devices.join(', ')} (default: auto)` },
    refresh: { type: 'boolean', help: 'status: probe anew, whatever was found before' },
  },
  async run(context) {
    const action = actions[context.action ?? ''];
    if (!action) throw new UsageError(`name one of ${Object.keys(actions).join(', ')}`);
    return action(context);
  },
};

async function status(context: CommandContext): Promise<CommandResult> {
  const { jobs, signal, progress, options } = context;
  const choice = deviceOption(context);
  const found = await jobs['gpuRuntime/status']({}, { signal, progress });
  const device = await jobs['device/probe'](
    { device: choice, refresh: options['refresh'] === true },
    { signal, progress },
  );
  return { json: { ...found, device }, text: [...describe(found), ...describeDevice(device)].join('\n') };
}

async function install({ jobs, signal, progress, options }: CommandContext): Promise<CommandResult> {
  const offer = await jobs['gpuRuntime/offer']({}, { signal, progress });
  if (options['yes'] !== true)
    return {
      json: offer,
      text: `${offer.question}\n${offer.detail}`,
      failure: 'nothing was downloaded; --yes agrees to it',
    };
  const installed = await jobs['gpuRuntime/install']({ sha512: offer.sha512 }, { signal, progress });
  const device = await jobs['device/probe']({ device: 'auto', refresh: true }, { signal, progress });
  return {
    json: { ...installed, device },
    text: [...describe(installed), ...describeDevice(device)].join('\n'),
  };
}

async function remove({ jobs, signal, progress }: CommandContext): Promise<CommandResult> {
  const before = await jobs['gpuRuntime/status']({}, { signal, progress });
  const after = await jobs['gpuRuntime/remove']({}, { signal, progress });
  const freed = before.bytes - after.bytes;
  return {
    json: { ...after, freedBytes: freed },
    text:
      freed === 0
        ? 'There was no GPU runtime.'
        : `The GPU runtime was removed: ${size(freed)} are free again.`,
  };
}

function describe({ version, folder, state, bytes, problem, unsupported }: GpuRuntimeStatus): string[] {
  if (unsupported !== undefined) return [`GPU runtime   ${unsupported}`];
  const place = state === 'absent' ? '' : `, ${size(bytes)} in ${folder}`;
  return [
    `GPU runtime   ${state}, for ONNX Runtime ${version}${place}`,
    ...(problem === undefined ? [] : [`              ${problem}`]),
  ];
}

function describeDevice({ label, refused }: DeviceReport): string[] {
  return [
    `Device        ${label}`,
    ...refused.map(({ device, reason }) => `              ${device} refused: ${reason}`),
  ];
}
