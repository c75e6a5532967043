import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot } from '../model/cacheRoot';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { said } from '../protocol/said';

/** ONNX Runtime's CUDA provider, and the bridge through which the runtime loads any provider. */
export const cudaLibrary = 'libonnxruntime_providers_cuda.so';
export const providerBridge = 'libonnxruntime_providers_shared.so';

/** Where ONNX Runtime's package keeps this platform's libraries. */
export const librariesPath = join('bin', 'napi-v6', process.platform, process.arch);

/** Where an installed GPU runtime keeps ONNX Runtime's package: the runtime looks for providers in its own folder. */
export const packagePath = join('node_modules', 'onnxruntime-node');

/** Content of the folder of an installed GPU runtime; written before the folder gets its final name. */
export interface GpuRuntimeRecord {
  readonly version: string;
  /** SHA-512 of the package that the libraries came from, base64. */
  readonly sha512: string;
  /** Path in the folder → bytes. */
  readonly files: Readonly<Record<string, number>>;
}

export const recordName = 'gpu-runtime.json';

/** State of the GPU runtime for a version of ONNX Runtime. */
export type GpuRuntimeState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged'; readonly folder: string; readonly reason: string }
  | { readonly kind: 'installed'; readonly folder: string; readonly record: GpuRuntimeRecord };

/**
 * Folder of everything that was installed: `$QUANTSCOPE_GPU_RUNTIME`, else in the cache.
 * @throws QuantscopeError IO where there is neither.
 */
export function gpuRuntimeRoot(): string {
  const root = rootIfAny();
  if (root !== undefined) return root;
  const message = said`There is no folder for the GPU runtime: the user has no home directory. Set QUANTSCOPE_GPU_RUNTIME to a folder.`;
  throw new QuantscopeError('IO', message);
}

function rootIfAny(): string | undefined {
  const own = process.env['QUANTSCOPE_GPU_RUNTIME'];
  if (own) return own;
  const cache = cacheRoot();
  return cache === undefined ? undefined : join(cache, 'gpu-runtime');
}

const folderPrefix = 'onnxruntime-node-';

export function gpuRuntimeFolder(version: string): string {
  return join(gpuRuntimeRoot(), `${folderPrefix}${version}`);
}

/** Versions of ONNX Runtime whose GPU runtime is installed, usable or not. */
export function gpuRuntimeVersions(): string[] {
  const root = rootIfAny();
  if (root === undefined) return [];
  try {
    return readdirSync(root)
      .filter((name) => name.startsWith(folderPrefix))
      .map((name) => name.slice(folderPrefix.length));
  } catch {
    return []; // nothing was ever installed
  }
}

/** Checks that all files of the GPU runtime are present and complete. */
export function findGpuRuntime(version: string): GpuRuntimeState {
  if (!gpuRuntimeVersions().includes(version)) return { kind: 'absent' };
  const folder = gpuRuntimeFolder(version);
  const damaged = (reason: string): GpuRuntimeState => ({ kind: 'damaged', folder, reason });
  const record = readRecord(join(folder, recordName));
  if (record?.version !== version) return damaged(said`${recordName} is missing or unreadable`);
  for (const [name, bytes] of Object.entries(record.files)) {
    const size = sizeOf(join(folder, name));
    if (size !== bytes)
      return damaged(
        `${name} ${size === undefined ? 'is missing' : `has ${size} bytes instead of ${bytes}`}`,
      );
  }
  return { kind: 'installed', folder, record };
}

function readRecord(file: string): GpuRuntimeRecord | undefined {
  try {
    const record: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const valid =
      isRecord(record) &&
      typeof record['version'] === 'string' &&
      typeof record['sha512'] === 'string' &&
      isRecord(record['files']) &&
      Object.values(record['files']).every((bytes) => Number.isSafeInteger(bytes));
    return valid ? (record as unknown as GpuRuntimeRecord) : undefined;
  } catch {
    return undefined; // absent or not JSON
  }
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}
