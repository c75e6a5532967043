import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the CUDA provider of ONNX Runtime 1.2x and later is linked with. */
export const cudaLibraries = [
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcudart.so.12',
  'libcufft.so.11',
  'libcurand.so.10',
] as const;
export const cudnnLibrary = 'libcudnn.so.9';

/** Where the stand-ins can be compiled and traced; elsewhere their tests are skipped. */
export const canBuildStandIns = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;
if (!canBuildStandIns) console.warn('Tests of CUDA libraries are skipped: they need Linux and a C compiler.');

export interface StandIns {
  /** A provider that needs CUDA and cuDNN and does nothing: it lacks the function that ONNX Runtime calls. */
  readonly provider: Buffer;
  /** The bridge between runtime and provider, which works. */
  readonly bridge: Buffer;
  /** Folder with empty libraries of CUDA and cuDNN, for LD_LIBRARY_PATH. */
  readonly cuda: string;
}

/** Compiles libraries that look to the dynamic loader like ONNX Runtime's CUDA provider and what it needs. */
export function buildStandIns(folder: string): StandIns {
  const cuda = join(folder, 'cuda');
  mkdirSync(cuda);
  const needed = [...cudaLibraries, cudnnLibrary].map((name) => {
    const file = join(cuda, name);
    compile(folder, file, 'int empty;', [`-Wl,-soname,${name}`]);
    return file;
  });
  const bridge = join(folder, 'bridge.so');
  const functions =
    'static void *host; void Provider_SetHost(void *h) { host = h; } void *Provider_GetHost(void)';
  compile(folder, bridge, `${functions} { return host; }`, []);
  const provider = join(folder, 'provider.so');
  compile(folder, provider, 'int nothing(void) { return 0; }', ['-Wl,--no-as-needed', ...needed]);
  return { provider: readFileSync(provider), bridge: readFileSync(bridge), cuda };
}

function compile(folder: string, out: string, source: string, options: readonly string[]): void {
  const file = join(folder, 'source.c');
  writeFileSync(file, source);
  execFileSync('cc', ['-shared', '-fPIC', '-o', out, file, ...options]);
}
