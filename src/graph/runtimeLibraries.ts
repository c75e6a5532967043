import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as Ort from 'onnxruntime-node';
import { cudaLibrary, findGpuRuntime, librariesPath, packagePath } from './gpuRuntime';

/** A copy of the package onnxruntime-node that has libraries for this platform. */
export interface RuntimePackage {
  readonly folder: string;
  readonly version: string;
  /** Folder of its native libraries, where it looks for providers. */
  readonly libraries: string;
}

/** The bundled package; undefined where it has no libraries for the platform. */
export function bundledRuntime(): RuntimePackage | undefined {
  const require = createRequire(import.meta.url);
  try {
    const folder = dirname(dirname(require.resolve('onnxruntime-node')));
    const { version } = require(join(folder, 'package.json')) as { version: string };
    const libraries = join(folder, librariesPath);
    return existsSync(libraries) ? { folder, version, libraries } : undefined;
  } catch {
    return undefined; // not installed
  }
}

/**
 * The package to load: the bundled one, or its copy next to the CUDA libraries where a GPU runtime of the same version is
 * installed. One process loads one of them: the loader would give a second copy the libraries of the first.
 */
export function activeRuntime(): RuntimePackage | undefined {
  const bundled = bundledRuntime();
  if (!bundled || existsSync(join(bundled.libraries, cudaLibrary))) return bundled;
  const state = findGpuRuntime(bundled.version);
  if (state.kind !== 'installed') return bundled;
  const folder = join(state.folder, packagePath);
  return { folder, version: bundled.version, libraries: join(folder, librariesPath) };
}

/**
 * Loads ONNX Runtime: the only place that does. Its telemetry, which writes files next to the user's and looks up a host of its maker,
 * is switched off first, by an environment variable read at loading.
 * @throws Error when it is not installed or its library cannot be loaded.
 */
export function requireRuntime(): typeof Ort {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const require = createRequire(import.meta.url);
  return require(activeRuntime()?.folder ?? 'onnxruntime-node') as typeof Ort;
}
