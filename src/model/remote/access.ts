import { dirname } from 'node:path';
import { QuantscopeError } from '../errors';
import { hubAddress, isRemote, remotePlace } from './address';
import { said } from '../../protocol/said';

/** What requests to servers need besides paths. None of it is shown or logged. */
export interface RemoteAccess {
  /** Queries of addresses by path, such as the signatures of presigned ones. */
  readonly queries?: Readonly<Record<string, string>>;
  /** Bearer tokens by origin. */
  readonly tokens?: Readonly<Record<string, string>>;
  /** Proxy of the editor's settings; else the environment's (HTTPS_PROXY, NO_PROXY). */
  readonly proxy?: string;
}

/** The variable that an owner of processes gives them their access in, as JSON. */
export const accessVariable = 'QUANTSCOPE_REMOTE_ACCESS';

const queries = new Map<string, string>();
let given: { readonly text: string | undefined; readonly access: RemoteAccess } | undefined;

/**
 * The path of an address; what follows "?" in it goes into requests for that path from now on.
 * @throws QuantscopeError REQUEST as `remotePlace`, and for a second address that differs from an earlier one in its query only.
 */
export function registerAddress(text: string): string {
  const { path, query } = remotePlace(text);
  const before = queries.get(path);
  if (query === '') return path;
  if (before !== undefined && before !== query)
    throw new QuantscopeError(
      'REQUEST',
      said`Two addresses differ only in what follows "?": they cannot be read at once.`,
      {
        file: path,
      },
    );
  queries.set(path, query);
  return path;
}

/** What follows a path in requests. */
export const queryOf = (path: string): string => queries.get(path) ?? accessOfOwner().queries?.[path] ?? '';

/** Whether an address with a query was given for a file of a folder: a signature is no key to the files beside it. */
export function isFolderOfSigned(folder: string): boolean {
  const all = [...queries, ...Object.entries(accessOfOwner().queries ?? {})];
  return all.some(([path, query]) => query !== '' && dirname(path) === folder);
}

export const proxyOfOwner = (): string | undefined => accessOfOwner().proxy;

/**
 * The token for a path: that of its owner's choice for its server, HF_TOKEN for the Hub, QUANTSCOPE_TOKEN for other servers. None goes over a
 * connection that others can listen to, nor with an address that is a key itself.
 */
export function tokenFor(path: string): string | undefined {
  const url = new URL(path);
  const isPrivate = url.protocol === 'https:' || localHosts.includes(url.hostname);
  if (!isPrivate || queryOf(path) !== '') return undefined;
  const own = accessOfOwner().tokens?.[url.origin];
  const variable = url.origin === new URL(hubAddress()).origin ? 'HF_TOKEN' : 'QUANTSCOPE_TOKEN';
  const token = own ?? process.env[variable]?.trim();
  return token === '' ? undefined : token;
}

/** This machine, under its names. */
const localHosts = ['127.0.0.1', '[::1]', 'localhost'];

function accessOfOwner(): RemoteAccess {
  const text = process.env[accessVariable];
  if (given?.text !== text || !given) given = { text, access: parseAccess(text) };
  return given.access;
}

function parseAccess(text: string | undefined): RemoteAccess {
  if (text === undefined) return {};
  const { queries: all = {}, ...access } = JSON.parse(text) as RemoteAccess;
  return { ...access, queries: Object.fromEntries(Object.entries(all).filter(([path]) => isRemote(path))) };
}
