import { QuantscopeError } from '../errors';
import { said } from '../../protocol/said';

/**
 * Remote files in terms of paths: an address without its query ("https://host/folder/model.gguf"), percent-encoded as URLs are. What
 * follows "?" may be a signature, so it is no part of a path, which is shown, kept and logged; `access.ts` has it.
 */

/** A place as a user names it. */
export interface RemotePlace {
  /** Ends in "/" where the user says that it is a folder. */
  readonly path: string;
  /** What follows the path in every request: "?…", or ''. */
  readonly query: string;
}

/** Where the Hugging Face Hub is, without a slash at the end, unless HF_ENDPOINT names another. */
const publicHub = 'https://huggingface.co';

/** Whether a path is an address. */
export const isRemote = (path: string): boolean => /^https?:\/\//i.test(path);

/** Whether what a user gave is meant as an address. */
export const isAddress = (text: string): boolean => isRemote(text) || /^hf:\/\//i.test(text);

/** @throws QuantscopeError REQUEST when HF_ENDPOINT is not an address. */
export function hubAddress(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const stated = env['HF_ENDPOINT'];
  if (stated === undefined || stated === '') return publicHub;
  if (isRemote(stated) && URL.canParse(stated)) return new URL(stated).href.replace(/\/+$/, '');
  throw new QuantscopeError('REQUEST', said`HF_ENDPOINT is not an address that begins with https://.`);
}

/**
 * The place that an address stands for: `https://…`, `hf://OWNER/MODEL[@REVISION][/FILE]`, or the page of a model or of one of its files on
 * the Hub.
 * @throws QuantscopeError REQUEST saying what is wrong with the address; what may be secret of it is not repeated.
 */
export function remotePlace(text: string, hub: string = hubAddress()): RemotePlace {
  if (/^hf:\/\//i.test(text)) return { path: hubPath(text.slice('hf://'.length), hub), query: '' };
  const fail = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message);
  if (!isRemote(text) || !URL.canParse(text))
    throw fail(said`This is not an address: one begins with https://, http:// or hf://.`);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    throw fail(said`The address holds a user name or a password: remove them, and set a token instead.`);
  const path = `${url.origin}${url.pathname}`;
  const shown = pageOfHub(path, hub) ?? path;
  // "?download=true" is for browsers.
  return { path: shown, query: hubFolder(shown, hub) ? '' : url.search };
}

/**
 * A file of a folder.
 * @param names as files have them, or encoded.
 * @throws QuantscopeError MODEL_FILE for a name that a server may take for a place outside of the folder.
 */
export function joinRemote(folder: string, ...names: readonly string[]): string {
  const parts = names.flatMap((name) => name.split('/'));
  const bad = parts.find(leadsElsewhere);
  if (bad !== undefined)
    throw new QuantscopeError(
      'MODEL_FILE',
      said`${JSON.stringify(bad)} is not the name of a file in this folder.`,
      {
        file: folder,
      },
    );
  return [folder.replace(/\/+$/, ''), ...parts.map(encodeName)].join('/');
}

/** Whether a name is none of a file: "..", or one with a separator, also encoded, once or several times. */
export function leadsElsewhere(name: string): boolean {
  const plain = name.replace(/%(?:2e|2f|5c|00|25)/gi, decodeURIComponent);
  return (
    plain === '.' || plain === '..' || /[\\/\0]/.test(plain) || (plain !== name && leadsElsewhere(plain))
  );
}

/** A file's name as addresses have it; what is encoded already stays as it is. */
export const encodeName = (name: string): string =>
  name.replace(/[^\w.~!$&'()*+,;=:@%-]+/gu, (others) => encodeURIComponent(others));

/** A folder of the Hub: which model, which revision, and where in it. */
export interface HubFolder {
  /** "OWNER/MODEL". */
  readonly model: string;
  /** Encoded. */
  readonly revision: string;
  /** '' for that of the model itself. */
  readonly inside: string;
}

/** What a path means on the Hub; undefined for paths elsewhere, whatever HF_ENDPOINT says for those of this machine. */
export function hubFolder(path: string, stated?: string): HubFolder | undefined {
  if (!isRemote(path)) return undefined;
  const hub = stated ?? hubAddress();
  if (!path.startsWith(`${hub}/`)) return undefined;
  const [owner = '', name = '', verb, revision = '', ...inside] = path.slice(hub.length + 1).split('/');
  if (owner === '' || name === '' || verb !== 'resolve' || revision === '') return undefined;
  return { model: `${owner}/${name}`, revision, inside: inside.filter((part) => part !== '').join('/') };
}

/** Revisions that have slashes in their names: pull requests, and what the Hub converts. */
const refs = /^refs\/(?:pr|convert)\/[^/]+/;

function hubPath(rest: string, hub: string): string {
  const [, model = '', after = ''] = /^([^/@]+\/[^/@]+)(.*)$/.exec(rest) ?? [];
  if (!model.split('/').every(isHubName))
    throw new QuantscopeError('REQUEST', said`An address of the Hub is hf://OWNER/MODEL[@REVISION][/FILE].`);
  const stated = after.startsWith('@') ? after.slice(1) : '';
  const revision = refs.exec(stated)?.[0] ?? stated.split('/')[0]!;
  if (after.startsWith('@') && revision === '')
    throw new QuantscopeError('REQUEST', said`The address names no revision after "@".`);
  const inside = after.startsWith('@') ? stated.slice(revision.length) : after;
  const folder = `${hub}/${model}/resolve/${encodeURIComponent(decoded(revision) || 'main')}`;
  const url = new URL(folder + inside.split('/').map(encodeName).join('/'));
  if (!url.href.startsWith(folder))
    throw new QuantscopeError('REQUEST', said`The address leads out of the model that it names.`);
  return folder + url.href.slice(folder.length).replace(/[?#].*$/, '');
}

const isHubName = (name: string): boolean => /^\w[\w.-]*$/.test(name);

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no encoded text: a name with a percent sign
  }
};

/** The files that a page of the Hub shows: of a model, a folder or a file. */
function pageOfHub(path: string, hub: string): string | undefined {
  if (!path.startsWith(`${hub}/`)) return undefined;
  const [owner = '', name = '', verb, revision, ...inside] = path.slice(hub.length + 1).split('/');
  if (![owner, name].every(isHubName) || ['api', 'datasets', 'spaces'].includes(owner)) return undefined;
  const model = `${hub}/${owner}/${name}/resolve`;
  if (verb === undefined || verb === '') return `${model}/main`;
  if (!['tree', 'blob', 'raw'].includes(verb) || revision === undefined) return undefined;
  return [model, revision, ...inside].join('/').replace(/\/+$/, '');
}
