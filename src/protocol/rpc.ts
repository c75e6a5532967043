import { decodeExact, encodeExact } from './exactJson';

/** A boundary's requests: method → parameters and result. */
export type RequestMap = Record<string, { params: unknown; result: unknown }>;
/** A boundary's one-way messages: name → payload. */
export type EventMap = Record<string, unknown>;

/** What carries messages: a webview panel, `window`, a test's pair of arrays. */
export interface Channel {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): { dispose(): void };
}

type Wire =
  | { rpc: 'request'; id: number; method: string; params: unknown }
  | { rpc: 'result'; id: number; result: unknown }
  | { rpc: 'error'; id: number; message: string; code?: string }
  | { rpc: 'event'; name: string; payload: unknown };

export type Handlers<R extends RequestMap> = {
  [M in keyof R]: (params: R[M]['params']) => R[M]['result'] | Promise<R[M]['result']>;
};
export type Listeners<E extends EventMap> = { [N in keyof E]?: (payload: E[N]) => void };

/** A request that the other end rejected, or that can no longer be answered. */
export class RpcError extends Error {
  readonly code: string;
  constructor(message: string, code: string) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
  }
}

/**
 * One end of a typed boundary. `Local` requests and events are answered here, `Remote` ones are sent to the other end.
 * Every call settles: with the result, with the handler's error, or with `DISPOSED` when this end is closed.
 */
export class Rpc<
  LocalRequests extends RequestMap,
  LocalEvents extends EventMap,
  RemoteRequests extends RequestMap,
  RemoteEvents extends EventMap,
> {
  private nextId = 1;
  private disposed = false;
  private readonly pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private readonly subscription: { dispose(): void };

  constructor(
    private readonly channel: Channel,
    private readonly handlers: Handlers<LocalRequests>,
    private readonly listeners: Listeners<LocalEvents> = {},
  ) {
    this.subscription = channel.onMessage((message) => {
      if (isWire(message)) void this.receive(decodeExact(message) as Wire);
    });
  }

  call<M extends keyof RemoteRequests & string>(
    method: M,
    params: RemoteRequests[M]['params'],
  ): Promise<RemoteRequests[M]['result']> {
    if (this.disposed)
      return Promise.reject(new RpcError(`"${method}" was called after closing.`, 'DISPOSED'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.post({ rpc: 'request', id, method, params });
    });
  }

  notify<N extends keyof RemoteEvents & string>(name: N, payload: RemoteEvents[N]): void {
    if (!this.disposed) this.post({ rpc: 'event', name, payload });
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.subscription.dispose();
    for (const call of this.pending.values())
      call.reject(new RpcError('The other end was closed.', 'DISPOSED'));
    this.pending.clear();
  }

  private post(message: Wire): void {
    this.channel.post(encodeExact(message)); // channels carry JSON
  }

  private async receive(message: Wire): Promise<void> {
    switch (message.rpc) {
      case 'request':
        return this.answer(message);
      case 'event':
        return this.listeners[message.name]?.(message.payload as never);
      case 'result':
        return this.take(message.id)?.resolve(message.result);
      case 'error':
        return this.take(message.id)?.reject(new RpcError(message.message, message.code ?? 'INTERNAL'));
    }
  }

  private async answer({ id, method, params }: Extract<Wire, { rpc: 'request' }>): Promise<void> {
    try {
      const handler = this.handlers[method];
      if (!handler) throw new RpcError(`Nothing answers "${method}".`, 'UNKNOWN_METHOD');
      const result = await handler(params);
      if (!this.disposed) this.post({ rpc: 'result', id, result });
    } catch (error) {
      if (!this.disposed) this.post({ rpc: 'error', id, ...describe(error) });
    }
  }

  private take(id: number): { resolve(value: unknown): void; reject(error: Error): void } | undefined {
    const call = this.pending.get(id);
    this.pending.delete(id);
    return call;
  }
}

function describe(error: unknown): { message: string; code?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const code: unknown = (error as { code?: unknown }).code;
  return typeof code === 'string' ? { message: error.message, code } : { message: error.message };
}

function isWire(message: unknown): message is Wire {
  return typeof message === 'object' && message !== null && 'rpc' in message;
}
