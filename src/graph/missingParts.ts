import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasGpuRuntime } from '../protocol/gpuRuntime';
import { missingForCuda } from './cudaNeeds';
import { cudaLibrary, findGpuRuntime, gpuRuntimeVersions } from './gpuRuntime';
import type { RuntimePackage } from './runtimeLibraries';
import type { OrtDevice } from './session';

/** What a device obviously lacks on this machine, as sentences; found without loading anything into this process. */
export async function missingPart(device: OrtDevice, runtime: RuntimePackage): Promise<string | undefined> {
  if (device === 'cuda') return cudaUnsupported() ?? missingOfCuda(runtime);
  if (device === 'webgpu' && process.platform === 'linux' && !hasVulkan())
    return 'The Vulkan loader libvulkan.so.1 is not installed.';
  return undefined;
}

/** Why ONNX Runtime has no CUDA here, whatever is installed. */
export const cudaUnsupported = (): string | undefined =>
  hasGpuRuntime(process) ? undefined : 'CUDA is available only on Linux x64.';

async function missingOfCuda(runtime: RuntimePackage): Promise<string | undefined> {
  const hasGpu = existsSync('/dev/nvidiactl') || existsSync('/dev/dxg');
  const noGpu = hasGpu ? undefined : 'There is no NVIDIA GPU that CUDA could run on.';
  const provider = join(runtime.libraries, cudaLibrary);
  if (!existsSync(provider)) return noGpu ?? missingProvider(runtime.version);
  const parts = [await missingForCuda(provider), noGpu].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(' ');
}

const remedy = '"Quantscope: Install GPU Runtime" (quantscope gpu-runtime install) fetches it.';

function missingProvider(version: string): string {
  const state = findGpuRuntime(version);
  if (state.kind === 'damaged') return `The installed GPU runtime is damaged: ${state.reason}. ${remedy}`;
  const others = gpuRuntimeVersions();
  if (others.length > 0)
    return `The installed GPU runtime is for ONNX Runtime ${others.join(', ')}; ${version} is needed. ${remedy}`;
  return `ONNX Runtime's CUDA library is not installed. ${remedy}`;
}

/** Whether the dynamic loader finds Vulkan, in its cache or where LD_LIBRARY_PATH points. */
function hasVulkan(): boolean {
  const name = 'libvulkan.so.1';
  const folders = (process.env['LD_LIBRARY_PATH'] ?? '').split(':').filter(Boolean);
  if (
    [...folders, '/usr/lib', '/usr/lib64', '/lib', '/lib64'].some((folder) => existsSync(join(folder, name)))
  )
    return true;
  try {
    return readFileSync('/etc/ld.so.cache').includes(name);
  } catch {
    return false; // no cache, no library
  }
}
