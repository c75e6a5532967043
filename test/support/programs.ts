import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { build, type BuildOptions } from 'esbuild';
import { inject } from 'vitest';
import { projectRoot, temporaryFolder } from './files';

const requireShim =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

export interface Programs {
  /** The engine's bundle. */
  readonly engine: string;
  /** The bundle of the quantscope command. */
  readonly cli: string;
  /** That of the process that it supervises. */
  readonly command: string;
}

/**
 * Bundles engine and command line as `dist/` has them, from the sources of now. The test files of one run share them: the first one that asks makes
 * them, and others wait.
 */
export async function buildPrograms(): Promise<Programs> {
  const run = inject('runFolder');
  const root = join(run ?? temporaryFolder(), 'programs');
  const [done, failed] = [join(root, 'done'), join(root, 'failed')];
  if (isFirst(root)) {
    try {
      await bundle(root);
      writeFileSync(done, '');
    } catch (error) {
      writeFileSync(failed, String(error));
      throw error;
    }
  }
  while (!existsSync(done)) {
    if (existsSync(failed)) throw new Error(readFileSync(failed, 'utf8'));
    await setTimeout(20);
  }
  const program = (name: string): string => join(root, 'dist', `${name}.mjs`);
  return { engine: program('engine'), cli: program('cli'), command: program('command') };
}

/** Makes a folder. @returns whether nobody else had. */
function isFirst(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function bundle(folder: string): Promise<void> {
  for (const name of ['prebuilds', 'node_modules'])
    symlinkSync(join(projectRoot, name), join(folder, name), 'junction');
  const common: BuildOptions = {
    absWorkingDir: projectRoot,
    outdir: join(folder, 'dist'),
    outExtension: { '.js': '.mjs' },
    ...{ bundle: true, platform: 'node', target: 'node22', format: 'esm' },
    external: ['onnxruntime-node'],
    // As in esbuild.mjs.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    banner: { js: requireShim },
    logLevel: 'error',
  };
  await build({ ...common, entryPoints: { engine: 'src/engine/main.ts' } });
  const entryPoints = { cli: 'src/cli/main.ts', command: 'src/cli/worker.ts' };
  await build({ ...common, entryPoints, splitting: true, chunkNames: 'command-[hash]' });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Root of the caches that the command uses. */
  readonly cache: string;
  /** Sends SIGINT as soon as stderr holds this text. */
  readonly interruptAt?: string;
  /** Closes the reading end of stdout at once. */
  readonly closeStdout?: boolean;
  /** The same of stderr. */
  readonly closeStderr?: boolean;
  /** What stdin holds; nothing by default. */
  readonly stdin?: string;
  /** Where it runs; here by default. */
  readonly cwd?: string;
  /** Variables of the environment; those that are undefined are taken out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Runs a program to its end. */
export function runProgram(
  file: string,
  args: readonly string[],
  { cache, interruptAt, closeStdout, closeStderr, stdin, cwd, env }: RunOptions,
): Promise<Ended> {
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, QUANTSCOPE_CACHE: cache, ...env },
  });
  child.stdin.end(stdin);
  if (closeStdout) child.stdout.destroy();
  if (closeStderr) child.stderr.destroy();
  let stdout = '';
  let stderr = '';
  let interrupted = false;
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    if (interruptAt === undefined || interrupted || !stderr.includes(interruptAt)) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
