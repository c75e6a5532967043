import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Identifies a process among all that may share a cache, across machines, containers and reboots. */
export interface ProcessIdentity {
  /** Equal for processes that can see each other. */
  readonly space: string;
  readonly pid: number;
  /** When it started, in ticks of its machine since that started; 0 where the system does not report it. Process ids are reused. */
  readonly start: number;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { space: processSpace(), pid: process.pid, start: statusOf(process.pid)?.start ?? 0 };
}

/** What a file of another space may be untouched for until its owner counts as ended (ms). */
export const abandonedAfter = 24 * 60 * 60 * 1000;

/** A name for a file that belongs to this process. */
export function ownName(): string {
  const { space, pid, start } = ownIdentity();
  return `${space}-${pid}-${start}-${randomBytes(4).toString('hex')}`;
}

/** The process that a file belongs to, by its name; undefined for other names. */
export function ownerOf(name: string): ProcessIdentity | undefined {
  const [, space, pid, start] = /^([0-9a-f]{16})-(\d+)-(\d+)-[0-9a-f]{8}$/.exec(name) ?? [];
  return space === undefined ? undefined : { space, pid: Number(pid), start: Number(start) };
}

/** Whether a process of this space still runs. */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const status = statusOf(pid);
  return status === undefined || (!status.ended && (start === 0 || status.start === start));
}

/**
 * Containers often share host name and process ids but not the namespace that the ids are counted in; ids of an earlier start
 * of the machine mean nothing after it. On other systems than Linux the host name must suffice.
 */
export function processSpace(): string {
  const parts = [hostname(), read('/proc/sys/kernel/random/boot_id'), link('/proc/self/ns/pid')];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/**
 * Fields 3 (state) and 22 (start) of /proc/PID/stat, see proc(5); the name before them may hold anything, so they are counted from
 * its end. A zombie has ended even if its parent has not waited for it.
 */
function statusOf(pid: number): { readonly start: number; readonly ended: boolean } | undefined {
  const text = read(`/proc/${pid}/stat`);
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  const [state] = fields;
  return fields[19] === undefined
    ? undefined
    : { start: Number(fields[19]), ended: state === 'Z' || state === 'X' };
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // not Linux, or the process is not visible to us
  }
}

function link(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}
