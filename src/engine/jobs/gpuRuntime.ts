import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { missingForCuda } from '../../graph/cudaNeeds';
import {
  cudaLibrary,
  findGpuRuntime,
  gpuRuntimeFolder,
  librariesPath,
  packagePath,
} from '../../graph/gpuRuntime';
import { cudaUnsupported } from '../../graph/missingParts';
import { bundledRuntime, type RuntimePackage } from '../../graph/runtimeLibraries';
import { QuantscopeError } from '../../model/errors';
import type { GpuRuntimeStatus } from '../../protocol/gpuRuntime';
import { said } from '../../protocol/said';
import { installedBytes, installGpuRuntime, removeGpuRuntime } from '../gpuRuntime/install';
import { describeOffer, findGpuPackage, gpuPackage } from '../gpuRuntime/offer';
import { checkParams, type Job } from '../job';

export function gpuRuntimeStatusJob(): Job<'gpuRuntime/status'> {
  return () => status();
}

/** What can be installed; downloads metadata only. */
export function gpuRuntimeOfferJob(): Job<'gpuRuntime/offer'> {
  return async (params, { signal }) => {
    checkParams('gpuRuntime/offer', params, { proxy: 'string?' });
    const runtime = supportedRuntime();
    return describeOffer(await findGpuPackage(runtime.version, { ...params, signal }), runtime);
  };
}

export function gpuRuntimeInstallJob(): Job<'gpuRuntime/install'> {
  return async (params, { signal, progress }) => {
    checkParams('gpuRuntime/install', params, { sha512: 'string', proxy: 'string?' });
    const runtime = supportedRuntime();
    const facts = await findGpuPackage(runtime.version, { ...params, signal });
    if (facts.sha512 !== params.sha512)
      throw new QuantscopeError(
        'REQUEST',
        said`The package of the source has changed since it was offered; check the new offer.`,
      );
    await installGpuRuntime(facts, gpuPackage.libraries, runtime, { ...params, signal, progress });
    return status();
  };
}

export function gpuRuntimeRemoveJob(): Job<'gpuRuntime/remove'> {
  return async () => {
    await removeGpuRuntime();
    return status();
  };
}

/** Why no GPU runtime can be installed here. */
function unsupported(runtime: RuntimePackage | undefined): string | undefined {
  const platform = cudaUnsupported();
  if (platform !== undefined)
    return said`${platform} On this machine a GPU is used through WebGPU, otherwise the native addon computes.`;
  if (!runtime) return said`ONNX Runtime itself is not installed.`;
  if (existsSync(join(runtime.libraries, cudaLibrary)))
    return said`ONNX Runtime already has its CUDA library, in ${runtime.libraries}.`;
  return undefined;
}

function supportedRuntime(): RuntimePackage {
  const runtime = bundledRuntime();
  const why = unsupported(runtime);
  if (!runtime || why !== undefined) throw new QuantscopeError('UNSUPPORTED', why ?? '');
  return runtime;
}

async function status(): Promise<GpuRuntimeStatus> {
  const runtime = bundledRuntime();
  const why = unsupported(runtime);
  const version = runtime?.version ?? '';
  const state = findGpuRuntime(version);
  const problem = state.kind === 'damaged' ? state.reason : await missingOf(version, state.kind);
  return {
    ...{ version, folder: gpuRuntimeFolder(version), state: state.kind, bytes: await installedBytes() },
    ...(why === undefined ? {} : { unsupported: why }),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Libraries that an installed runtime is missing. */
async function missingOf(version: string, kind: 'absent' | 'installed'): Promise<string | undefined> {
  if (kind === 'absent') return undefined;
  return missingForCuda(join(gpuRuntimeFolder(version), packagePath, librariesPath, cudaLibrary));
}
