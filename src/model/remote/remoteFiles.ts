import { dirname } from 'node:path';
import type { ByteSource } from '../byteSource';
import { QuantscopeError } from '../errors';
import { isFolderOfSigned, queryOf } from './access';
import { Pages } from './pages';
import { RemoteFile } from './remoteFile';
import { RemoteSource } from './remoteSource';
import { RequestError } from './request';
import { statusMessage } from './statusMessage';

/** How long what a server said of a file is not asked again (ms): opening a model looks at some files several times. */
const freshTime = 30_000;

interface Opened {
  readonly file: RemoteFile;
  readonly pages: Pages;
}

interface Known {
  /** Undefined where the server has no such file. */
  readonly opened: Promise<Opened | undefined>;
  readonly query: string;
  readonly askedAt: number;
}

const known = new Map<string, Known>();
/** Files of which an answer was of another version than the one that was opened, until they are opened again. */
const changed = new Set<string>();

const hasStatus = (error: unknown, statuses: readonly number[]): boolean =>
  error instanceof RequestError && statuses.includes(error.failure.status ?? 0);

/** Whether the server answered that the file does not exist. */
export const isAbsent = (error: unknown): boolean => hasStatus(error, [404, 410]);

/** Whether the server answered that access is forbidden. */
export const isForbidden = (error: unknown): boolean => hasStatus(error, [403]);

/** Whether the server denied access, for want of a token or in spite of one. */
export const isRefused = (error: unknown): boolean => hasStatus(error, [401, 403]);

/**
 * A file on a server, by ranges.
 * @throws QuantscopeError IO when it cannot be opened.
 */
export async function openRemoteSource(path: string): Promise<ByteSource> {
  const found = await knownFile(path).opened;
  if (found) return new RemoteSource(found.file, found.pages);
  throw new QuantscopeError('IO', statusMessage(path, 404, {}), { file: path });
}

/** Size of a file; undefined where there is none. @throws QuantscopeError IO when the server does not say. */
export async function remoteSize(path: string): Promise<number | undefined> {
  if (queryOf(path) === '' && isFolderOfSigned(dirname(path))) return undefined;
  return (await knownFile(path).opened)?.file.facts.size;
}

/** Whether an answer was of another version of a file than the one that was opened. */
export const hasRemoteChanged = (path: string): boolean => changed.has(path);

/** What is known of a file, or an opening of it. */
function knownFile(path: string): Known {
  const now = Date.now();
  const query = queryOf(path);
  const before = known.get(path);
  const isFresh = before && now - before.askedAt < freshTime && before.query === query;
  if (isFresh && !changed.has(path)) return before;
  for (const [other, { askedAt }] of known) if (now - askedAt >= freshTime) known.delete(other);
  const entry: Known = { opened: openFile(path), query, askedAt: now };
  known.set(path, entry);
  entry.opened.catch(() => known.get(path) === entry && known.delete(path)); // the next one may succeed
  return entry;
}

async function openFile(path: string): Promise<Opened | undefined> {
  changed.delete(path);
  try {
    const { file, beginning } = await RemoteFile.open(path, () => changed.add(path));
    return { file, pages: new Pages(file, beginning) };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
