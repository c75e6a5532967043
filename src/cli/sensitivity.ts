import { resolve } from 'node:path';
import type { DeviceChoice, SensitivityTable } from '../protocol/plan';
import { choiceOption, textOption, type Command, type CommandContext, type OptionSpec } from './command';
import { number, table } from './text';

/** What --device takes. */
export const devices: readonly DeviceChoice[] = ['auto', 'cuda', 'webgpu', 'ort-cpu', 'cpu'];

/** Options of everything that measures. */
export const measuringOptions: Readonly<Record<string, OptionSpec>> = {
  formats: { type: 'string', value: 'A,B,…', help: 'candidate formats (default: the GGUF types)' },
  device: {
    type: 'string',
    value: 'D',
    help: `${devices.join(', ')}; cpu is the native addon (default: auto)`,
  },
  text: {
    type: 'string',
    value: 'F',
    help: 'UTF-8 text to run the model over: errors count by what they do to the output',
  },
};

/** Where to compute; auto by default. @throws UsageError for anything but a device. */
export function deviceOption(context: CommandContext): DeviceChoice {
  return choiceOption(context, 'device', devices) ?? 'auto';
}

/** Measures, or takes what an earlier run left. */
export async function measure(context: CommandContext): Promise<SensitivityTable> {
  const { model, jobs, signal, progress, cacheDir } = context;
  const device = deviceOption(context);
  const text = textOption(context, 'text');
  const formats = textOption(context, 'formats')
    ?.split(',')
    .map((id) => id.trim());
  return jobs['sensitivity/run'](
    {
      ...{ ...model, device, cacheDir },
      ...(formats ? { formats } : {}),
      ...(text === undefined ? {} : { text: resolve(text) }),
    },
    { signal, progress },
  );
}

export const sensitivity: Command = {
  name: 'sensitivity',
  operand: 'MODEL',
  summary: 'Error of every 2-D weight in every candidate format',
  options: measuringOptions,
  keepsResults: true,
  async run(context) {
    const result = await measure(context);
    const formats = [...new Set(result.rows.flatMap((row) => row.cells.map((cell) => cell.format)))];
    const gains = result.gainsFrom ? ['gain'] : [];
    const rows = result.rows.map((row) => [
      row.tensor,
      ...gains.map(() => (row.gain === undefined ? '' : number(row.gain))),
      ...formats.map((format) => {
        const cell = row.cells.find((item) => item.format === format);
        return cell ? number(Math.sqrt(cell.relativeSquaredError)) : '';
      }),
    ]);
    const heading = [
      "Relative error ‖x − x'‖ / ‖x‖",
      ...gains.map(() => 'gain: KL divergence of the output per squared relative error, nats per token'),
    ];
    return { json: result, lines: [heading.join('; '), ...table(['tensor', ...gains, ...formats], rows)] };
  },
};
