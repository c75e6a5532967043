import { access, readlink, realpath, stat } from 'node:fs/promises';
import { constants } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { isAddress } from '../model/remote/address';
import { said } from '../protocol/said';

/** Where an output goes: symbolic links are followed, so that the file that they point to is replaced, not the link. */
export interface OutputTarget {
  /** Absolute path as given; messages name it. */
  readonly path: string;
  /** Absolute path of the file itself, which may not exist yet. */
  readonly destination: string;
  /** What the new file takes over from the one that it replaces. */
  readonly existing?: { readonly mode: number; readonly uid: number; readonly gid: number };
}

/** Maximum number of links followed, as on Linux. */
const maxLinks = 40;

/**
 * @throws QuantscopeError REQUEST when the target exists and is not a regular file, or is write-protected, or its folder can be neither
 * written to nor made; IO when the file system does not allow the check.
 */
export async function findTarget(path: string): Promise<OutputTarget> {
  refuseAddress(path);
  const absolute = resolve(path);
  try {
    const destination = await followLinks(absolute);
    await ensureFolderAbove(absolute, destination);
    const found = await statIfPresent(destination);
    if (!found) return { path: absolute, destination };
    if (!found.isFile()) throw notAFile(absolute, found.isDirectory());
    await refuseWriteProtected(absolute, destination);
    const existing = { mode: Number(found.mode) & 0o777, uid: Number(found.uid), gid: Number(found.gid) };
    return { path: absolute, destination, existing };
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    const message = said`The output file cannot be examined: ${reason(cause)}`;
    throw new QuantscopeError('IO', message, { file: absolute }, cause);
  }
}

/** @throws QuantscopeError REQUEST for an output on a server. */
export function refuseAddress(path: string): void {
  if (isAddress(path))
    throw new QuantscopeError('REQUEST', said`Outputs are written to this machine only, not to an address.`);
}

/** What makes two paths the same file: device and inode, which hard links and other spellings share. Undefined when absent. */
export async function fileIdentity(path: string): Promise<string | undefined> {
  const found = await statIfPresent(path).catch(() => undefined);
  return found && `${found.dev}:${found.ino}`;
}

/** @returns undefined when there is no file of this name. */
export async function statIfPresent(path: string) {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Checks the nearest existing folder above an output: the output, or the folders between them, will be made in it.
 * @throws QuantscopeError REQUEST when it is not a folder, or cannot be written to.
 */
export async function ensureFolderAbove(output: string, destination: string): Promise<void> {
  const refuse = (message: string, cause?: unknown): QuantscopeError =>
    new QuantscopeError('REQUEST', message, { file: output }, cause);
  const above = await nearestFolder(dirname(destination));
  if (!above) throw refuse(said`The output is on a drive or file system that does not exist.`);
  if (!above.isFolder) throw refuse(said`The output would be inside ${above.path}, which is not a folder.`);
  try {
    await access(above.path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const message = said`The output would be inside ${above.path}, which cannot be written to (${reason(cause)}); choose another place.`;
    throw refuse(message, cause);
  }
}

/** The path itself, or the nearest one above it, that exists. */
async function nearestFolder(path: string): Promise<{ path: string; isFolder: boolean } | undefined> {
  const found = await statIfPresent(path);
  if (found) return { path, isFolder: found.isDirectory() };
  return dirname(path) === path ? undefined : nearestFolder(dirname(path));
}

/** The path without symbolic links; a dangling link leads to where its file would be. */
export async function followLinks(path: string): Promise<string> {
  let current = path;
  for (let links = 0; links <= maxLinks; links++) {
    const folder = await realpath(dirname(current)).catch(() => undefined);
    if (folder === undefined) return current; // the folder will be created
    current = join(folder, basename(current));
    const link = await readlink(current).catch(() => undefined); // not a link, or absent
    if (link === undefined) return current;
    current = resolve(folder, link);
  }
  throw new QuantscopeError('REQUEST', said`The output is a chain of more than ${maxLinks} symbolic links.`, {
    file: path,
  });
}

function notAFile(file: string, folder: boolean): QuantscopeError {
  const message = folder
    ? said`The output is a folder; name a file in it.`
    : said`The output exists and is not a regular file (a device, a pipe or a socket); nothing was written to it.`;
  return new QuantscopeError('REQUEST', message, { file });
}

async function refuseWriteProtected(file: string, destination: string): Promise<void> {
  try {
    await access(destination, constants.W_OK);
  } catch (cause) {
    const message = said`The output exists and is write-protected; change its permissions or choose another name.`;
    throw new QuantscopeError('REQUEST', message, { file }, cause);
  }
}
