import { execFile } from 'node:child_process';
import { basename, dirname } from 'node:path';

/** What the dynamic loader (Linux) reports about a shared library: the names of all libraries that it needs. */
export interface LoaderReport {
  readonly found: readonly string[];
  readonly missing: readonly string[];
  /** Why the library itself cannot be loaded. */
  readonly refusal?: string;
}

/**
 * Asks the loader itself, as it would resolve the libraries in a process of this program: started with
 * LD_TRACE_LOADED_OBJECTS it lists them and runs nothing. The library's own name, unlike its folder, has no space or colon.
 */
export function traceLibraries(library: string): Promise<LoaderReport> {
  // Spaces and colons of the folder would be separators in LD_PRELOAD.
  const name = `./${basename(library)}`;
  const env = { ...process.env, LD_TRACE_LOADED_OBJECTS: '1', LD_PRELOAD: name };
  return new Promise((resolve) => {
    execFile(process.execPath, [], { cwd: dirname(library), env }, (error, stdout, stderr) => {
      const refusal = refusalOf(name, stdout, stderr, error);
      resolve({ ...parseTrace(stdout), ...(refusal === undefined ? {} : { refusal }) });
    });
  });
}

function parseTrace(trace: string): { found: string[]; missing: string[] } {
  const found: string[] = [];
  const missing: string[] = [];
  for (const line of trace.split('\n')) {
    const [, name, target] = /^\t(\S+)(?: => (.*))?/.exec(line) ?? [];
    if (name !== undefined) (target === 'not found' ? missing : found).push(name);
  }
  return { found, missing };
}

function refusalOf(name: string, stdout: string, stderr: string, error: Error | null): string | undefined {
  if (stdout.includes(`\t${name} (`)) return undefined;
  const [, why] = /cannot be preloaded \((.*)\)/.exec(stderr) ?? [];
  return why ?? error?.message ?? 'the loader does not accept it';
}
