import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { reason } from '../../model/byteSource';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { maxRedirects, maxServedJson } from '../../model/limits';
import { proxyAgent } from '../../model/remote/proxy';
import { said } from '../../protocol/said';

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** Proxy of the editor's settings; else the environment's (HTTPS_PROXY, NO_PROXY). */
  readonly proxy?: string;
}

/** How long a server may be silent (ms). */
const silence = 60_000;

/**
 * The body of a response, streamed.
 * @throws QuantscopeError IO when there is none; CANCELLED.
 */
export async function fetchBody(
  url: string,
  options: FetchOptions,
): Promise<{ body: Readable; bytes: number | undefined }> {
  let place = checkedUrl(url);
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const answer = await ask(place, options);
    const { statusCode = 0, headers } = answer;
    if (statusCode === 200) {
      if (headers['content-encoding'] === 'gzip') return { body: unzipped(answer), bytes: undefined };
      const length = headers['content-length'];
      return { body: answer, bytes: length === undefined ? undefined : Number(length) };
    }
    answer.destroy();
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined)
      throw new QuantscopeError('IO', said`${place.href} answered with HTTP status ${statusCode}.`);
    place = checkedUrl(new URL(headers.location, place).href);
  }
  throw new QuantscopeError('IO', said`${url} redirects more than ${maxRedirects} times.`);
}

/** @throws QuantscopeError IO when it cannot be fetched, is too long or not JSON; CANCELLED. */
export async function fetchJson(url: string, options: FetchOptions): Promise<unknown> {
  const { body } = await fetchBody(url, options);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxServedJson) throw new Error(`it is longer than ${maxServedJson} bytes`);
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throwIfCancelled(options.signal);
    throw new QuantscopeError('IO', said`${url} cannot be read: ${reason(cause)}.`, {}, cause);
  }
}

/** A failed response reaches the reader as a stream error. */
function unzipped(answer: IncomingMessage): Readable {
  return pipeline(answer, createGunzip(), () => undefined);
}

/** Code is fetched over TLS only, except from a server on this machine. */
function checkedUrl(url: string): URL {
  const place = URL.canParse(url) ? new URL(url) : undefined;
  const local = place?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(place.hostname);
  if (place && (place.protocol === 'https:' || local)) return place;
  throw new QuantscopeError('IO', said`${url} is not an https address; nothing was downloaded.`);
}

async function ask(url: URL, { signal, proxy }: FetchOptions): Promise<IncomingMessage> {
  const isSecure = url.protocol === 'https:';
  try {
    const agent = isSecure ? await proxyAgent(url, proxy) : undefined;
    return await new Promise((resolve, reject) => {
      const options = { signal, timeout: silence, ...(agent ? { agent } : {}) };
      const request = (isSecure ? requestHttps : requestHttp)(url, options, resolve);
      request.on('error', reject);
      request.on('timeout', () => request.destroy(new Error(`no answer for ${silence / 1000} s`)));
      request.end();
    });
  } catch (cause) {
    throwIfCancelled(signal);
    throw new QuantscopeError('IO', said`${url.href} cannot be reached: ${reason(cause)}.`, {}, cause);
  }
}
