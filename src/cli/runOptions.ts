import type { EvaluationSettings, WindowSettings } from '../protocol/evaluation';
import type { DeviceChoice } from '../protocol/plan';
import { countOption, textOption, UsageError, type CommandContext, type OptionSpec } from './command';
import { devices } from './sensitivity';

/** Options of everything that runs a model over a text. */
export const windowOptions: Readonly<Record<string, OptionSpec>> = {
  context: {
    type: 'string',
    value: 'N',
    help: 'tokens of a window (default: 512, or the context of the model)',
  },
  windows: { type: 'string', value: 'N', help: 'only the first N windows (default: the whole text)' },
};

export const runOptions: Readonly<Record<string, OptionSpec>> = {
  memory: {
    type: 'string',
    value: 'M',
    help: 'whole, streamed (one block at a time) or auto (default: whole when it fits)',
  },
  device: { type: 'string', value: 'D', help: `${devices.join(', ')} (default: auto)` },
  threads: { type: 'string', value: 'N', help: 'threads (default: all cores)' },
};

export function windowsOf(context: CommandContext): Pick<WindowSettings, 'context' | 'windows'> {
  const [tokens, windows] = [countOption(context, 'context'), countOption(context, 'windows')];
  return {
    ...(tokens === undefined ? {} : { context: tokens }),
    ...(windows === undefined ? {} : { windows }),
  };
}

const memories = ['auto', 'whole', 'streamed'] as const;

/** @throws UsageError for anything but auto, whole and streamed. */
export function memoryOf(context: CommandContext): NonNullable<EvaluationSettings['memory']> {
  const given = textOption(context, 'memory') ?? 'auto';
  const memory = memories.find((name) => name === given);
  if (!memory) throw new UsageError(`--memory ${given} is none of ${memories.join(', ')}`);
  return memory;
}

/** @throws UsageError for what is no device. */
export function deviceOf(context: CommandContext): DeviceChoice {
  const given = textOption(context, 'device') ?? 'auto';
  const device = devices.find((name) => name === given);
  if (!device) throw new UsageError(`--device ${given} is none of ${devices.join(', ')}`);
  return device;
}
