import type { DeviceChoice, DeviceReport } from '../device';
import type { GpuRuntimeOffer, GpuRuntimeStatus } from '../gpuRuntime';

/** Devices, and the runtime that some of them need. */
export interface DeviceRequests {
  'device/probe': { params: { device: DeviceChoice; refresh?: boolean }; result: DeviceReport };
  'gpuRuntime/status': { params: Record<string, never>; result: GpuRuntimeStatus };
  /** What an installation would fetch. `proxy`: address of the editor's; else the environment's is used. */
  'gpuRuntime/offer': { params: { proxy?: string }; result: GpuRuntimeOffer };
  /** Fetches and installs the package that the user agreed to, named by its digest. */
  'gpuRuntime/install': { params: { sha512: string; proxy?: string }; result: GpuRuntimeStatus };
  'gpuRuntime/remove': { params: Record<string, never>; result: GpuRuntimeStatus };
}
