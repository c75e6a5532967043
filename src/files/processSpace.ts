import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process among all that may share a cache: of other machines, containers and starts of the machine. */
export interface ProcessIdentity {
  /** Processes that can see each other have the same. */
  readonly space: string;
  readonly pid: number;
  /** When it started, in ticks of its machine since that started; 0 where the system does not tell. Process ids are reused. */
  readonly start: number;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { space: processSpace(), pid: process.pid, start: startOf(process.pid) ?? 0 };
}

/** Whether a process of this space still runs. */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return start === 0 || (startOf(pid) ?? start) === start;
}

/**
 * Containers often share host name and process ids but not the namespace that the ids are counted in; ids of an earlier start
 * of the machine mean nothing after it. Elsewhere than on Linux the host's name has to do.
 */
export function processSpace(): string {
  const parts = [hostname(), read('/proc/sys/kernel/random/boot_id'), link('/proc/self/ns/pid')];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/** Field 22 of /proc/PID/stat (see proc(5)); the name before it may hold anything, so fields are counted from its end. */
function startOf(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`);
  const field = text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  return field === undefined ? undefined : Number(field);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // not Linux, or the process is not ours to see
  }
}

function link(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}
