import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './files';

/** Kills the process of the next long job as soon as it exists; an idle one, which would be reused, immediately. Linux only. */
export async function killNextJob(): Promise<void> {
  const idle = enginePids('job');
  for (const pid of idle) process.kill(pid, 'SIGKILL');
  for (;;) {
    const next = enginePids('job').find((pid) => !idle.includes(pid));
    if (next !== undefined) return void process.kill(next, 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Process ids of the engines that run from `dist/`, without those that probe a device; of long jobs alone with `job`. */
export function enginePids(kind?: 'job'): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const line = commandLine(pid);
      const isEngine = line.includes(join(projectRoot, 'dist', 'engine.mjs')) && !line.includes('--probe');
      return isEngine && (kind === undefined || line.includes('--job'));
    });
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // it has ended already
  }
}
