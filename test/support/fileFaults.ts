import type { PathLike } from 'node:fs';
import type * as Fs from 'node:fs/promises';

/** Calls of the file system that a test can make fail. */
export type FaultyCall =
  | 'open'
  | 'write'
  | 'appendFile'
  | 'writeFile'
  | 'sync'
  | 'close'
  | 'rename'
  | 'chmod'
  | 'rm'
  | 'stat'
  | 'access';

/** Which call fails: the n-th (from 1) of its kind on a path that matches. */
interface Fault {
  readonly call: FaultyCall;
  readonly path: RegExp;
  left: number;
  readonly code: string;
}

const faults: Fault[] = [];

/** Makes the n-th such call fail with an error of the operating system. */
export function failOn(call: FaultyCall, path: RegExp, { nth = 1, code = 'EIO' } = {}): void {
  faults.push({ call, path, left: nth, code });
}

/** Most bytes that a write takes from now on: the rest is the caller's to write again. */
let mostWritten = Infinity;

export function limitWrites(bytes: number): void {
  mostWritten = bytes;
}

/** Bytes that are free in the file systems of paths that match, from now on. */
let freeSpace: readonly { readonly path: RegExp; readonly bytes: number }[] = [];

export function limitFreeSpace(path: RegExp, bytes: number): void {
  freeSpace = [...freeSpace, { path, bytes }];
}

export function clearFaults(): void {
  faults.length = 0;
  freeSpace = [];
  mostWritten = Infinity;
}

/** `node:fs/promises` with calls that fail where a test asked for it: for `vi.mock`. */
export function faultyFileSystem(real: typeof Fs): typeof Fs {
  return {
    ...real,
    async open(path, ...rest) {
      strike('open', String(path));
      return faultyHandle(await real.open(path, ...rest), String(path));
    },
    writeFile: (async (path: PathLike, content: string, options?: never) => {
      strike('writeFile', String(path));
      await real.writeFile(path, content, options);
    }) as typeof real.writeFile,
    async rename(from, to) {
      strike('rename', `${String(from)} → ${String(to)}`);
      await real.rename(from, to);
    },
    async rm(path, options) {
      strike('rm', String(path));
      await real.rm(path, options);
    },
    stat: (async (path: PathLike, options?: never) => {
      strike('stat', String(path));
      return real.stat(path, options);
    }) as typeof real.stat,
    statfs: (async (path: PathLike) => {
      const found = await real.statfs(path);
      const limit = freeSpace.find((item) => item.path.test(String(path)));
      return limit ? { ...found, bsize: 1, bavail: limit.bytes } : found;
    }) as typeof real.statfs,
    async access(path, mode) {
      strike('access', String(path));
      await real.access(path, mode);
    },
  };
}

function faultyHandle(handle: Fs.FileHandle, path: string): Fs.FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        // A close that fails has closed the file all the same, as on Linux.
        if (name === 'close') await target.close();
        if (['write', 'appendFile', 'sync', 'close', 'chmod'].includes(String(name)))
          strike(name as FaultyCall, path);
        if (name === 'close') return undefined;
        if (name === 'write' && typeof args[2] === 'number') args[2] = Math.min(args[2], mostWritten);
        return value.apply(target, args) as unknown;
      };
    },
  });
}

function strike(call: FaultyCall, path: string): void {
  for (const fault of faults) {
    if (fault.call !== call || !fault.path.test(path)) continue;
    fault.left -= 1;
    if (fault.left === 0)
      throw Object.assign(new Error(`${fault.code}: planted, ${call} of ${path}`), { code: fault.code });
  }
}
