import { cudaLibrary, gpuRuntimeFolder, providerBridge } from '../../graph/gpuRuntime';
import type { RuntimePackage } from '../../graph/runtimeLibraries';
import { QuantscopeError } from '../../model/errors';
import type { GpuRuntimeOffer } from '../../protocol/gpuRuntime';
import { size } from '../../protocol/words';
import { said } from '../../protocol/said';
import type { FetchOptions } from './https';
import { diskBytes } from './install';
import { findPackage, type PackageFacts } from './nuget';

/** Where onnxruntime-node's own install script takes its CUDA libraries from; a test compares the two. */
export const gpuPackage = {
  index: 'https://api.nuget.org/v3/index.json',
  id: 'Microsoft.ML.OnnxRuntime.Gpu.Linux',
  /** Paths in the package. TensorRT's provider is left out: nothing here uses it. */
  libraries: [cudaLibrary, providerBridge].map((name) => `runtimes/linux-x64/native/${name}`),
  /** Major versions that the libraries are built for. */
  needs: { cuda: 12, cudnn: 9 },
} as const;

/**
 * Digests known independently of the source, by version: where there is one, the source must state the same. SHA-512, base64.
 */
const pinnedDigests: Readonly<Partial<Record<string, string>>> = {};

/** The package index; `$QUANTSCOPE_NUGET_INDEX` names a mirror. */
export function packageIndex(): string {
  return process.env['QUANTSCOPE_NUGET_INDEX'] ?? gpuPackage.index;
}

/** The package of the source for this version of the runtime. @throws QuantscopeError IO, CANCELLED. */
export async function findGpuPackage(version: string, options: FetchOptions): Promise<PackageFacts> {
  const facts = await findPackage(packageIndex(), gpuPackage.id, version, options);
  checkPin(version, facts.sha512);
  return facts;
}

/** @throws QuantscopeError IO when the source states a digest other than the known one. */
export function checkPin(version: string, sha512: string, pins = pinnedDigests): void {
  const pin = pins[version];
  if (pin !== undefined && pin !== sha512)
    throw new QuantscopeError(
      'IO',
      said`The package ${gpuPackage.id} ${version} of the source differs from the known one; nothing was downloaded.`,
    );
}

/** The package with everything a user must know before agreeing. */
export async function describeOffer(facts: PackageFacts, runtime: RuntimePackage): Promise<GpuRuntimeOffer> {
  const { version } = runtime;
  const offer = {
    ...{ source: packageIndex(), packageId: gpuPackage.id, version, url: facts.url },
    ...{ downloadBytes: facts.bytes, sha512: facts.sha512, folder: gpuRuntimeFolder(version) },
    diskBytes: await diskBytes(facts, gpuPackage.libraries, runtime),
  };
  const complete = gpuPackage.libraries.every((library) => facts.entries.has(library));
  return { ...offer, ...offerText(offer, complete) };
}

/** Question and details as shown to users. `complete`: the source states the size on disk. */
export function offerText(
  offer: Omit<GpuRuntimeOffer, 'question' | 'detail'>,
  complete: boolean,
): Pick<GpuRuntimeOffer, 'question' | 'detail'> {
  const { cuda, cudnn } = gpuPackage.needs;
  const onDisk = `${complete ? '' : said`more than `}${size(offer.diskBytes)}`;
  return {
    question: `Download ONNX Runtime's CUDA libraries ${offer.version} (${size(offer.downloadBytes)})?`,
    detail: [
      said`For: measuring models on an NVIDIA GPU. Without them, WebGPU or the native addon is used.`,
      `Source: package ${offer.packageId} ${offer.version} of ${offer.source}, from ${offer.url}`,
      said`Download: ${size(offer.downloadBytes)}, verified against the SHA-512 that the source states (${offer.sha512.slice(0, 16)}…).`,
      said`On disk: ${onDisk} in ${offer.folder}. "Quantscope: Remove GPU Runtime" (quantscope gpu-runtime remove) removes it.`,
      said`Requires: an NVIDIA driver, CUDA ${cuda} and cuDNN ${cudnn}, which are not included.`,
    ].join('\n'),
  };
}
