import type { DeviceReport } from '../../src/protocol/device';
import type { DeviceCheck } from '../device/suite';

export declare const hasSoftwareDriver: boolean;

export declare function runDeviceChecks(options: {
  readonly device: string;
  readonly software?: boolean;
  readonly only?: string;
  readonly onCheck?: (check: DeviceCheck & { readonly ok: boolean }) => void;
}): Promise<{ report: DeviceReport; checks: readonly (DeviceCheck & { readonly ok: boolean })[] }>;
