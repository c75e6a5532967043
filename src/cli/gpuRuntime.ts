import type { GpuRuntimeStatus } from '../protocol/gpuRuntime';
import type { DeviceReport } from '../protocol/device';
import { size } from '../protocol/words';
import { UsageError, type Command, type CommandContext, type CommandResult } from './command';
import { deviceOption, devices } from './device';

const actions: Readonly<Record<string, (context: CommandContext) => Promise<CommandResult>>> = {
  status,
  install,
  remove,
};

/** CUDA libraries of ONNX Runtime: status, installation, removal. */
export const gpuRuntimeCommand: Command = {
  name: 'gpu-runtime',
  actions: Object.keys(actions),
  summary: "Show, install or remove ONNX Runtime's CUDA libraries (Linux x64)",
  options: {
    yes: { type: 'boolean', help: 'install: agree to the download (without it, the download is described)' },
    device: { type: 'string', value: 'D', help: `status: probe ${devices.join(', ')} (default: auto)` },
    refresh: { type: 'boolean', help: 'status: probe the device again instead of using the stored result' },
  },
  async run(context) {
    const action = actions[context.action ?? ''];
    if (!action) throw new UsageError(`Name an action: ${Object.keys(actions).join(', ')}.`);
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
  return { json: { ...found, device }, lines: [...describe(found), ...describeDevice(device)] };
}

async function install({ jobs, signal, progress, options }: CommandContext): Promise<CommandResult> {
  const offer = await jobs['gpuRuntime/offer']({}, { signal, progress });
  if (options['yes'] !== true)
    return {
      json: offer,
      lines: [offer.question, ...offer.detail.split('\n')],
      failure: 'Nothing was downloaded; --yes agrees to the download.',
    };
  const installed = await jobs['gpuRuntime/install']({ sha512: offer.sha512 }, { signal, progress });
  const device = await jobs['device/probe']({ device: 'auto', refresh: true }, { signal, progress });
  return {
    json: { ...installed, device },
    lines: [...describe(installed), ...describeDevice(device)],
  };
}

async function remove({ jobs, signal, progress }: CommandContext): Promise<CommandResult> {
  const before = await jobs['gpuRuntime/status']({}, { signal, progress });
  const after = await jobs['gpuRuntime/remove']({}, { signal, progress });
  const freed = before.bytes - after.bytes;
  return {
    json: { ...after, freedBytes: freed },
    lines: [
      freed === 0
        ? 'There is no GPU runtime to remove.'
        : `The GPU runtime was removed, which freed ${size(freed)}.`,
    ],
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
    ...refused.map(({ device, reason }) => `              ${device} rejected: ${reason}`),
  ];
}
