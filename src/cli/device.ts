import type { DeviceChoice } from '../protocol/device';
import { choiceOption, type CommandContext } from './command';

/** What --device takes. */
export const devices: readonly DeviceChoice[] = ['auto', 'cuda', 'webgpu', 'ort-cpu', 'cpu'];

/** Where to compute; auto by default. @throws UsageError for anything but a device. */
export function deviceOption(context: CommandContext): DeviceChoice {
  return choiceOption(context, 'device', devices) ?? 'auto';
}
