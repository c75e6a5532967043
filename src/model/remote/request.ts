import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { reason } from '../byteSource';
import { QuantscopeError, throwIfCancelled } from '../errors';
import { maxRedirects } from '../limits';
import { proxyOfOwner, queryOf, tokenFor } from './access';
import { proxyAgent } from './proxy';
import { statusMessage } from './statusMessage';
import { said } from '../../protocol/said';

/** How long a server may be silent (ms). */
const silence = 30_000;
/** Connections to a server at a time. */
const connections = 8;
/** The body of an answer that is not wanted is read up to here (bytes), so that its connection can be used again. */
const maxUnwanted = 64 * 1024;

const agents = {
  'http:': new HttpAgent({ keepAlive: true, maxSockets: connections }),
  'https:': new HttpsAgent({ keepAlive: true, maxSockets: connections }),
} as const;

/** A failed request. */
export class RequestError extends QuantscopeError {
  constructor(
    message: string,
    readonly path: string,
    readonly failure: {
      /** Of HTTP; undefined where there was no answer. */
      readonly status?: number;
      /** Whether the same request may succeed later. */
      readonly isPassing: boolean;
      /** When the server wants to be asked again (ms from now). */
      readonly retryAfter?: number;
    },
    cause?: unknown,
  ) {
    super('IO', message, { file: path }, cause);
  }
}

/** An answer with a body that is wanted; the reader destroys or drains it. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: IncomingMessage;
  /** Where the body came from, after redirections. */
  readonly url: URL;
}

export interface Ask {
  /** The file that is asked for, for its query, its token and messages. */
  readonly path: string;
  /** Where to ask, if not there: where an earlier request was redirected to. */
  readonly at?: URL | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Statuses with bodies that are wanted. */
  readonly wanted: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * One GET, redirections followed. A token goes to the server that the path names, and to no other.
 * @throws RequestError; QuantscopeError CANCELLED.
 */
export async function ask({ path, at, headers, wanted, signal }: Ask): Promise<Answer> {
  const own = new URL(path + queryOf(path));
  let url = at ?? own;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const token = url.origin === own.origin ? tokenFor(path) : undefined;
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await send(url, path, { ...headers, ...authorization }, signal);
    const { statusCode: status = 0, headers: stated } = answer;
    if (wanted.includes(status)) return { status, headers: stated, body: answer, url };
    discard(answer);
    if (status < 300 || status > 399 || stated.location === undefined) throw failed(path, status, answer);
    url = redirected(path, url, stated.location);
  }
  throw new RequestError(`The server redirects more than ${maxRedirects} times.`, path, { isPassing: false });
}

/** What the body of an answer is not read of. */
export function discard(answer: IncomingMessage): void {
  answer.on('error', () => undefined); // nobody waits for it
  if (Number(answer.headers['content-length'] ?? Infinity) <= maxUnwanted) answer.resume();
  else answer.destroy();
}

function redirected(path: string, from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const isSafe = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:');
  if (to && isSafe) return to;
  const message = to
    ? said`The server redirects to an address that is not https.`
    : said`The server redirects to what is not an address.`;
  throw new RequestError(message, path, { isPassing: false });
}

/** Statuses after which the same request may succeed. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

function failed(path: string, status: number, { headers }: IncomingMessage): RequestError {
  const retryAfter = waitOf(headers['retry-after']);
  return new RequestError(statusMessage(path, status, headers), path, {
    ...{ status, isPassing: passing.has(status) },
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** Retry-After has seconds or a date. */
function waitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text.trim())) return 1000 * Number(text);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

async function send(
  url: URL,
  path: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:';
  const request = protocol === 'https:' ? requestHttps : requestHttp;
  try {
    const agent = (await proxyAgent(url, proxyOfOwner())) ?? agents[protocol];
    return await new Promise((resolve, reject) => {
      const options = { headers: { ...headers, 'user-agent': 'quantscope' }, agent, timeout: silence };
      const sent = request(url, signal ? { ...options, signal } : options, resolve);
      sent.on('error', reject);
      sent.on('timeout', () => sent.destroy(timedOut()));
      sent.end();
    });
  } catch (cause) {
    throwIfCancelled(signal);
    const { code = '' } = cause as NodeJS.ErrnoException;
    // A name with several addresses fails with a list of errors, which has no message of its own.
    const message = said`The server ${url.host} cannot be reached: ${reason(cause) || code}.`;
    throw new RequestError(message, path, { isPassing: passingCodes.has(code) }, cause);
  }
}

const timedOut = (): Error =>
  Object.assign(new Error(`no answer for ${silence / 1000} s`), { code: 'ETIMEDOUT' });

/** Failures of connections that may be over soon. */
const passingCodes = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
