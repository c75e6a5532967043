import { decodeExact, encodeExact } from './exactJson';

/** A boundary's requests: method → parameters, result and progress. */
export type RequestMap = Record<string, { params: unknown; result: unknown; progress?: unknown }>;
/** A boundary's one-way messages: name → payload. */
export type EventMap = Record<string, unknown>;

/** What carries messages, as JSON: a webview panel, `window`, a test's pair of arrays. */
export interface Channel {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): { dispose(): void };
}

type Message =
  | { rpc: 'request'; id: number; method: string; params: unknown }
  | { rpc: 'cancel'; id: number }
  | { rpc: 'progress'; id: number; progress: unknown }
  | { rpc: 'result'; id: number; result: unknown }
  | { rpc: 'error'; id: number; message: string; code?: string }
  | { rpc: 'event'; name: string; payload: unknown };

/** On the wire every message names the page that it is from or for. */
type Wire = Message & { epoch: string };

type ProgressOf<R extends RequestMap, M extends keyof R> = R[M] extends { progress: infer P } ? P : never;

/** Context of a handler besides the parameters. */
export interface HandlerContext<P = never> {
  /** Fires when the caller cancels, when its page is gone, and when this end is closed. */
  readonly signal: AbortSignal;
  readonly progress: (progress: P) => void;
}

export type Handlers<R extends RequestMap> = {
  [M in keyof R]: (
    params: R[M]['params'],
    context: HandlerContext<ProgressOf<R, M>>,
  ) => R[M]['result'] | Promise<R[M]['result']>;
};
export type Listeners<E extends EventMap> = { [N in keyof E]?: (payload: E[N]) => void };

export interface CallOptions<P = never> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: P) => void) | undefined;
}

/** A request that the other end rejected or can no longer answer. */
export class RpcError extends Error {
  readonly code: string;
  constructor(message: string, code: string) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
  }
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
  readonly onProgress?: ((progress: never) => void) | undefined;
}

/**
 * One end of a typed boundary between a page and its host. `Local` requests and events are answered here, `Remote` ones are
 * sent to the other end. Every call settles: with the result, with the handler's error, with `CANCELLED` when its signal
 * fires, or with `DISPOSED` when this end is closed.
 *
 * The page's end has an epoch, a unique name. The host's end follows: it adopts the epoch of the page that sends,
 * cancels requests of an earlier page, and drops late messages from or for it. Ids therefore never collide with those of another page.
 */
export class Rpc<
  LocalRequests extends RequestMap,
  LocalEvents extends EventMap,
  RemoteRequests extends RequestMap,
  RemoteEvents extends EventMap,
> {
  private nextId = 1;
  private disposed = false;
  private epoch: string | undefined;
  /** Replaced pages: their messages are late. */
  private readonly past = new Set<string>();
  private readonly pending = new Map<number, Pending>();
  private readonly running = new Map<number, AbortController>();
  private readonly subscription: { dispose(): void };

  /** @param ownEpoch of a page; absent at the host's end. */
  constructor(
    private readonly channel: Channel,
    private readonly handlers: Handlers<LocalRequests>,
    private readonly listeners: Listeners<LocalEvents> = {},
    private readonly ownEpoch?: string,
  ) {
    this.epoch = ownEpoch;
    this.subscription = channel.onMessage((message) => {
      if (isWire(message)) this.receive(message);
    });
  }

  call<M extends keyof RemoteRequests & string>(
    method: M,
    params: RemoteRequests[M]['params'],
    { signal, onProgress }: CallOptions<ProgressOf<RemoteRequests, M>> = {},
  ): Promise<RemoteRequests[M]['result']> {
    if (this.disposed) return Promise.reject(disposed(`"${method}" was called after closing.`));
    if (this.epoch === undefined) return Promise.reject(disposed(`"${method}" was called without a page.`));
    if (signal?.aborted) return Promise.reject(cancelled());
    const id = this.nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onProgress });
    });
    const cancel = (): void => {
      this.post({ rpc: 'cancel', id });
      this.take(id)?.reject(cancelled());
    };
    signal?.addEventListener('abort', cancel, { once: true });
    this.post({ rpc: 'request', id, method, params });
    return answer.finally(() => signal?.removeEventListener('abort', cancel));
  }

  /** From the host it goes to the page that sent the last message; before that, there is no receiver. */
  notify<N extends keyof RemoteEvents & string>(name: N, payload: RemoteEvents[N]): void {
    this.post({ rpc: 'event', name, payload });
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.subscription.dispose();
    this.endAll('The other end was closed.');
  }

  private post(message: Message, epoch = this.epoch): void {
    if (this.disposed || epoch === undefined || epoch !== this.epoch) return;
    this.channel.post(encodeExact({ ...message, epoch }));
  }

  private receive(wire: Wire): void {
    if (!this.isCurrent(wire.epoch)) return;
    const message = decodeExact(wire) as Wire;
    switch (message.rpc) {
      case 'request':
        return void this.answer(message);
      case 'cancel':
        return this.running.get(message.id)?.abort();
      case 'event':
        return this.listeners[message.name]?.(message.payload as never);
      case 'progress':
        return this.pending.get(message.id)?.onProgress?.(message.progress as never);
      case 'result':
        return this.take(message.id)?.resolve(message.result);
      case 'error':
        return this.take(message.id)?.reject(new RpcError(message.message, message.code ?? 'INTERNAL'));
    }
  }

  /** Whether a message is from or for the current page; at the host's end an unknown page replaces the previous one. */
  private isCurrent(epoch: string): boolean {
    if (epoch === this.epoch) return true;
    if (this.ownEpoch !== undefined || this.past.has(epoch)) return false;
    if (this.epoch !== undefined) this.past.add(this.epoch);
    this.endAll('The page was reloaded.');
    this.epoch = epoch;
    return true;
  }

  /** Never rejects: a failure is the answer. */
  private async answer({ id, method, params, epoch }: Extract<Wire, { rpc: 'request' }>): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    const { signal } = controller;
    const reply = (message: Message): void => {
      if (!signal.aborted) this.post(message, epoch);
    };
    try {
      if (!Object.hasOwn(this.handlers, method))
        throw new RpcError(`No handler for "${method}".`, 'UNKNOWN_METHOD');
      const progress = (step: unknown): void => reply({ rpc: 'progress', id, progress: step });
      const result = await this.handlers[method]!(params, { signal, progress });
      reply({ rpc: 'result', id, result });
    } catch (error) {
      reply({ rpc: 'error', id, ...describe(error) });
    } finally {
      if (this.running.get(id) === controller) this.running.delete(id);
    }
  }

  private take(id: number): Pending | undefined {
    const call = this.pending.get(id);
    this.pending.delete(id);
    return call;
  }

  private endAll(reason: string): void {
    const [calls, jobs] = [[...this.pending.values()], [...this.running.values()]];
    this.pending.clear();
    this.running.clear();
    for (const call of calls) call.reject(disposed(reason));
    for (const job of jobs) job.abort();
  }
}

const disposed = (message: string): RpcError => new RpcError(message, 'DISPOSED');
const cancelled = (): RpcError => new RpcError('The request was cancelled.', 'CANCELLED');

function describe(error: unknown): { message: string; code?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const code: unknown = (error as { code?: unknown }).code;
  return typeof code === 'string' ? { message: error.message, code } : { message: error.message };
}

function isWire(message: unknown): message is Wire {
  return (
    typeof message === 'object' &&
    message !== null &&
    'rpc' in message &&
    'epoch' in message &&
    typeof message.epoch === 'string'
  );
}
