import type { EvaluationSettings, WindowSettings } from '../protocol/evaluation';
import { choiceOption, countOption, type CommandContext, type OptionSpec } from './command';
import { devices } from './device';

/** Options of everything that runs a model over a text. */
export const windowOptions: Readonly<Record<string, OptionSpec>> = {
  context: {
    type: 'string',
    value: 'N',
    help: 'tokens per window (default: 512, or the context length of the model if shorter)',
  },
  windows: {
    type: 'string',
    value: 'N',
    help: 'evaluate only the first N windows (default: the whole text)',
  },
};

export const runOptions: Readonly<Record<string, OptionSpec>> = {
  memory: {
    type: 'string',
    value: 'M',
    help: 'whole, streamed (one block at a time) or auto (default: auto, whole if it fits)',
  },
  device: { type: 'string', value: 'D', help: `${devices.join(', ')} (default: auto)` },
  threads: { type: 'string', value: 'N', help: 'number of threads (default: all cores)' },
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
  return choiceOption(context, 'memory', memories) ?? 'auto';
}
