import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { afterAll } from 'vitest';

/** How the server behaves to one request; undefined as usual. A test changes what it needs. */
export interface Behaviour {
  /** Status instead of the file. */
  status?: number;
  headers?: Record<string, string>;
  /** Sends the whole file, as servers without ranges do. */
  whole?: boolean;
  /** Bytes of the body after which the connection is cut. */
  cut?: number;
  /** Content-Range instead of the true one. */
  contentRange?: string;
  /** ETag instead of that of the content. */
  tag?: string;
  /** Bytes that are sent instead of the true ones. */
  body?: Buffer;
  /** Where it redirects to. */
  location?: string;
  /** A document instead of the file. */
  json?: unknown;
  /** Milliseconds before the answer. */
  wait?: number;
}

export interface Asked {
  readonly url: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly headers: IncomingMessage['headers'];
}

export interface RangeServer {
  /** "http://127.0.0.1:PORT". */
  readonly address: string;
  readonly files: Map<string, Buffer>;
  /** All requests so far. */
  readonly asked: Asked[];
  /** Bytes of bodies that were sent. */
  sent: number;
  /** What happens to a request; called with how many for the same path came before. */
  behave: (asked: Asked, before: number) => Behaviour | undefined;
}

/** A server of files with ranges on this machine, until the end of the test file. @param files by path: "/model.gguf". */
export async function serveRanges(files: ReadonlyMap<string, Buffer>): Promise<RangeServer> {
  const state: RangeServer = {
    ...{ address: '', files: new Map(files), asked: [], sent: 0 },
    behave: () => undefined,
  };
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
    const asked: Asked = { url, path, range: request.headers.range, headers: request.headers };
    const before = state.asked.filter((other) => other.path === path).length;
    state.asked.push(asked);
    const behaviour = state.behave(asked, before) ?? {};
    setTimeout(() => answer(state, asked, behaviour, response), behaviour.wait ?? 0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(state, { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function answer(state: RangeServer, asked: Asked, behaviour: Behaviour, response: ServerResponse): void {
  const { status, headers = {}, location, contentRange, whole, cut } = behaviour;
  if (location !== undefined) return void response.writeHead(302, { location }).end();
  if (status !== undefined) return void response.writeHead(status, headers).end('no');
  if (behaviour.json !== undefined)
    return void response.writeHead(200, headers).end(JSON.stringify(behaviour.json));
  const content = state.files.get(asked.path);
  if (!content) return void response.writeHead(404).end('no such file');
  const etag = behaviour.tag ?? `"${createHash('sha256').update(content).digest('hex')}"`;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked.range ?? '') ?? [];
  if (first === undefined || whole) {
    response.writeHead(200, { etag, 'content-length': content.length, ...headers });
    return void response.end(content);
  }
  const start = Number(first);
  const end = Math.min(content.length, Number(last) + 1);
  if (start >= content.length)
    return void response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  const body = behaviour.body ?? content.subarray(start, end);
  response.writeHead(206, {
    etag,
    'content-length': body.length,
    'content-range': contentRange ?? `bytes ${start}-${end - 1}/${content.length}`,
    ...headers,
  });
  const part = cut === undefined ? body : body.subarray(0, cut);
  state.sent += part.length;
  if (cut === undefined) response.end(part);
  else response.write(part, () => setTimeout(() => response.destroy(), 10));
}

/** The files of a folder under a path, for `serveRanges`. */
export const filesUnder = (path: string, folder: string): Map<string, Buffer> =>
  new Map(
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => [`${path}/${name}`, readFileSync(join(folder, name))]),
  );

/**
 * A server that speaks as the Hugging Face Hub does: lists of files in pages of three, and files by redirection to a second server.
 * @param token that it wants from those who ask; its second server wants none to be sent.
 */
export async function serveHub(
  model: string,
  folder: string,
  token?: string,
): Promise<{ readonly hub: RangeServer; readonly store: RangeServer }> {
  const store = await serveRanges(filesUnder('/stored', folder));
  const hub = await serveRanges(new Map());
  store.behave = ({ headers }) => (headers.authorization === undefined ? undefined : { status: 400 });
  const names = [...store.files.keys()].map((path) => basename(path));
  hub.behave = ({ url, path, headers }) => {
    if (token !== undefined && headers.authorization !== `Bearer ${token}`)
      return { status: 401, headers: { 'x-error-message': 'Access to this model is restricted.' } };
    if (path === `/api/models/${model}/tree/main`) return listed(url, names);
    const file = path.startsWith(`/${model}/resolve/main/`) ? basename(path) : '';
    return names.includes(file)
      ? { location: `${store.address}/stored/${file}?Signature=secret` }
      : { status: 404 };
  };
  return { hub, store };
}

function listed(url: string, names: readonly string[]): Behaviour {
  const from = Number(new URL(url, 'http://localhost').searchParams.get('cursor') ?? 0);
  const json = names.slice(from, from + 3).map((path) => ({ type: 'file', path, size: 1, oid: '0' }));
  const next = `<${url.split('?')[0]}?cursor=${from + 3}>; rel="next"`;
  return { json, ...(from + 3 < names.length ? { headers: { link: next } } : {}) };
}
