import { access, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { cannotOpen, openFileSource, specialKind, type ByteSource } from './byteSource';
import { QuantscopeError, throwIfCancelled } from './errors';
import { isFolderOfSigned, registerAddress } from './remote/access';
import { hubFolder, isAddress, isRemote, joinRemote } from './remote/address';
import { listRemote, type ListScope } from './remote/listing';
import { isAbsent, isForbidden, isRefused, openRemoteSource, remoteSize } from './remote/remoteFiles';
import { RequestError } from './remote/request';
import { untilCancelled } from './untilCancelled';
import { said } from '../protocol/said';

/**
 * Where files of models lie: on this machine or on a server, named by a path in both cases. `dirname` and `basename` of node:path are right for
 * both; everything else that reads models goes through here.
 */

/** What a user named, as a path: absolute, or an address without its query. @throws QuantscopeError REQUEST for an invalid address. */
export const absolutePlace = (text: string): string =>
  isAddress(text) ? registerAddress(text) : resolve(text);

/** A path inside a folder. */
export const joinPlace = (folder: string, ...names: readonly string[]): string =>
  isRemote(folder) ? joinRemote(folder, ...names) : join(folder, ...names);

/** Opens a file for reading. @throws QuantscopeError IO when it cannot be opened or is not a regular file; CANCELLED while a server is asked. */
export const openSource = (path: string, signal?: AbortSignal): Promise<ByteSource> =>
  isRemote(path) ? untilCancelled(openRemoteSource(path), signal) : openFileSource(path);

export interface PlaceFacts {
  readonly isFolder: boolean;
  /** Bytes of a file. */
  readonly size: number;
  /** What it is instead of a file or a folder. */
  readonly special?: string;
}

/** @throws QuantscopeError IO when there is nothing at the path, or a server does not say; CANCELLED. */
export async function statPlace(path: string, signal?: AbortSignal): Promise<PlaceFacts> {
  if (isRemote(path)) return remoteFacts(path, signal);
  try {
    const stats = await stat(path);
    const isFolder = stats.isDirectory();
    const special = isFolder ? undefined : specialKind(stats);
    return { isFolder, size: stats.size, ...(special === undefined ? {} : { special }) };
  } catch (cause) {
    throw cannotOpen('path', path, cause);
  }
}

async function remoteFacts(path: string, signal: AbortSignal | undefined): Promise<PlaceFacts> {
  const folder: PlaceFacts = { isFolder: true, size: 0 };
  if (path.endsWith('/') || hubFolder(path)?.inside === '') return folder;
  let refused: Error | undefined;
  try {
    const size = await untilCancelled(remoteSize(path), signal);
    if (size !== undefined) return { isFolder: false, size };
  } catch (error) {
    if (!(error instanceof Error) || !isRefused(error)) throw error;
    refused = error; // some servers refuse to list a folder
  }
  const names = await listRemote(path, 'weights', signal).catch((error: unknown): string[] => {
    if (error instanceof RequestError) return [];
    throw error;
  });
  if (names.length > 0) return folder;
  if (refused) throw refused;
  throw new QuantscopeError(
    'IO',
    said`The server has neither a file of this name nor a folder with a model (HTTP status 404).`,
    { file: path },
  );
}

/** Whether there is a file of this name. @throws QuantscopeError IO when a server does not say; CANCELLED. */
export async function exists(path: string, signal?: AbortSignal): Promise<boolean> {
  throwIfCancelled(signal);
  if (isRemote(path)) return untilCancelled(existsRemote(path, signal), signal);
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** The list of a folder of the Hub spares a request for each name; servers of objects refuse access to what they do not have. */
async function existsRemote(path: string, signal: AbortSignal | undefined): Promise<boolean> {
  const folder = dirname(path);
  try {
    if (!hubFolder(folder)) return (await remoteSize(path)) !== undefined;
    return (await listRemote(folder, 'all', signal)).includes(path.slice(folder.length + 1));
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return false;
    throw error;
  }
}

/**
 * Names of the files of a folder, folders left out.
 * @param scope what is needed of a folder on a server that cannot list it.
 * @throws QuantscopeError IO when it cannot be listed; CANCELLED.
 */
export async function listPlace(
  folder: string,
  scope: ListScope = 'all',
  signal?: AbortSignal,
): Promise<readonly string[]> {
  if (isRemote(folder)) return listRemote(folder.replace(/\/+$/, ''), scope, signal);
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  } catch (cause) {
    throw cannotOpen('path', folder, cause);
  }
}

/**
 * The same of a folder that may be absent, and then has no files.
 * @throws QuantscopeError IO where it cannot be listed although it may be there: what is in it would be lost unnoticed.
 */
export async function listIfPresent(
  folder: string,
  scope?: ListScope,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  if (isFolderOfSigned(folder)) return []; // nobody may see what lies beside the file
  try {
    return await listPlace(folder, scope, signal);
  } catch (error) {
    if (isAbsent(error) || isForbidden(error) || isNoFolder(error)) return [];
    throw error;
  }
}

/** Whether there is no folder on this machine, or no file of a usual name in one on a server. */
function isNoFolder(error: unknown): boolean {
  if (!(error instanceof QuantscopeError)) return false;
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return error.code === 'REQUEST' || code === 'ENOENT' || code === 'ENOTDIR';
}

/** A whole file. @throws QuantscopeError IO. */
export async function readPlace(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const source = await openSource(path);
  try {
    return await source.read(0, source.size, signal);
  } finally {
    await source.close();
  }
}
