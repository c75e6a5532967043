import { QuantscopeError, type ErrorCode } from '../model/errors';
import type {
  EngineInbound,
  EngineMethod,
  EngineOutbound,
  EngineProgress,
  LogLevel,
  LogLine,
  SerializedError,
} from '../protocol/engine';
import { rememberSpoken, said } from '../protocol/said';
import type { ProcessKind, StartTransport, Transport } from './clientTransport';
import { printedLine } from './printedLine';

/** How long a start may take (ms): usually less than a second, but other programs may have the processors. */
const startTimeout = 60_000;
/** How long a cancelled request may take to stop before its caller is released (ms). */
const cancelGrace = 3_000;
/** How long a process may leave a ping without an answer before it counts as stuck (ms). */
const pingTimeout = 10_000;
/** Last lines of the process's output, which explain its end. */
const keptLines = 3;

interface Pending {
  resolve(value: unknown): void;
  reject(error: QuantscopeError): void;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
  /** Set once it is cancelled: fires when its caller stops waiting. */
  grace?: NodeJS.Timeout;
  /** The caller was released; the process still works on it. */
  abandoned: boolean;
}

export interface ProcessHooks {
  /** It ended unexpectedly; its calls are already rejected. */
  crashed(reason: string, lastOutput: string): void;
  /** It takes requests, the number of those that it works on changed, or it ended. */
  changed(): void;
  log(line: LogLine): void;
}

export interface ProcessCall {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * One engine process from its start to its end. Every call settles. Cancelling asks the engine to stop; the process is killed
 * only when no other requests are affected, or when it does not answer a ping.
 */
export class EngineProcess {
  /** Resolves when the process takes requests; rejects when it ends before that. */
  readonly ready: Promise<void>;
  private readonly transport: Transport;
  private readonly pending = new Map<number, Pending>();
  /** Messages that wait for the process to be ready; undefined once it is. */
  private queue: EngineInbound[] | undefined = [];
  private settleReady!: { resolve(): void; reject(error: QuantscopeError): void };
  private readonly starting: NodeJS.Timeout;
  private pinging: NodeJS.Timeout | undefined;
  private nextId = 1;
  private isGone = false;
  private output: string[] = [];

  constructor(
    readonly kind: ProcessKind,
    start: StartTransport,
    private readonly hooks: ProcessHooks,
  ) {
    this.ready = new Promise((resolve, reject) => (this.settleReady = { resolve, reject }));
    this.ready.catch(() => undefined); // calls are rejected on their own
    this.starting = setTimeout(
      () => this.kill(said`it did not start within ${startTimeout / 1000} s`),
      startTimeout,
    );
    this.transport = start(kind, {
      message: (message) => this.receive(message),
      output: (text, level) => this.keepOutput(text, level),
      ended: (reason) => this.ended(reason),
    });
  }

  get pid(): number | undefined {
    return this.isGone ? undefined : this.transport.pid;
  }

  /** Requests that it works on, also those that were cancelled and have not stopped yet. */
  get running(): number {
    return this.pending.size;
  }

  /** Whether it can take a request. */
  get usable(): boolean {
    return !this.isGone;
  }

  /** @throws QuantscopeError as the engine reports it; CANCELLED; ENGINE_DIED when the process ends first. */
  async call(method: EngineMethod, params: unknown, { signal, onProgress }: ProcessCall): Promise<unknown> {
    if (signal?.aborted) throw cancelled();
    if (this.isGone) throw new QuantscopeError('ENGINE_DIED', said`The engine was stopped.`);
    const id = this.nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onProgress, abandoned: false });
    });
    const cancel = (): void => this.cancel(id);
    signal?.addEventListener('abort', cancel);
    this.hooks.changed();
    this.post({ kind: 'request', id, method, params });
    try {
      return await answer;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Stops the process; one that is working gets time to remove its temporary files. */
  leave(reason: string): void {
    const busy = this.pending.size > 0 && this.queue === undefined;
    this.abandonAll(new QuantscopeError('ENGINE_DIED', reason));
    if (!busy) return this.transport.kill();
    this.transport.disconnect();
    setTimeout(() => this.transport.kill(), cancelGrace).unref();
  }

  private receive(message: EngineOutbound): void {
    if (this.isGone) return;
    this.stopPing(); // any message shows that it is alive
    if (message.spoken) rememberSpoken(message.spoken);
    switch (message.kind) {
      case 'ready':
        return this.started();
      case 'pong':
        return;
      case 'log':
        return this.hooks.log(message);
      case 'progress': {
        const call = this.pending.get(message.id);
        if (call?.abandoned === false) call.onProgress?.(message.progress);
        return;
      }
      case 'result':
        return this.take(message.id)?.resolve(message.result);
      case 'error':
        return this.take(message.id)?.reject(revive(message.error));
    }
  }

  private started(): void {
    clearTimeout(this.starting);
    const queue = this.queue ?? [];
    this.queue = undefined;
    for (const message of queue) this.transport.send(message);
    this.settleReady.resolve();
    this.hooks.changed();
  }

  private take(id: number): Pending | undefined {
    const call = this.pending.get(id);
    if (!call) return undefined;
    this.pending.delete(id);
    clearTimeout(call.grace);
    this.hooks.changed();
    this.endIfOnlyAbandoned();
    return call;
  }

  /** Requests cancellation and releases the caller after a while: ONNX Runtime cannot be interrupted. */
  private cancel(id: number): void {
    const call = this.pending.get(id);
    if (!call) return;
    if (this.queue) {
      this.queue = this.queue.filter((message) => !('id' in message && message.id === id));
      this.take(id);
      call.reject(cancelled());
      return;
    }
    this.post({ kind: 'cancel', id });
    call.grace = setTimeout(() => {
      call.abandoned = true;
      call.reject(cancelled());
      this.endIfOnlyAbandoned();
    }, cancelGrace);
  }

  /** A process with only cancelled requests is useless; one with others must at least respond. */
  private endIfOnlyAbandoned(): void {
    const calls = [...this.pending.values()];
    if (!calls.some(({ abandoned }) => abandoned)) return;
    if (!calls.every(({ abandoned }) => abandoned)) return this.ping();
    this.abandonAll(cancelled());
    this.transport.kill();
  }

  private ping(): void {
    if (this.pinging) return;
    this.pinging = setTimeout(
      () => this.kill(said`it did not respond for ${pingTimeout / 1000} s`),
      pingTimeout,
    );
    this.post({ kind: 'ping' });
  }

  private stopPing(): void {
    clearTimeout(this.pinging);
    this.pinging = undefined;
  }

  private post(message: EngineInbound): void {
    if (this.queue) this.queue.push(message);
    else this.transport.send(message);
  }

  /** Its calls do not wait for its end: a process inside a driver may outlast the signal. */
  private kill(reason: string): void {
    this.ended(reason);
    this.transport.kill();
  }

  /** A process that ended unexpectedly. */
  private ended(reason: string): void {
    if (this.isGone) return;
    const last = this.output.length === 0 ? '' : `Last output: ${this.output.join(' | ')}`;
    const message = `The engine process ended (${reason}). ${last}`.trim();
    this.abandonAll(new QuantscopeError('ENGINE_DIED', message));
    this.hooks.crashed(reason, last);
  }

  private abandonAll(error: QuantscopeError): void {
    this.isGone = true;
    clearTimeout(this.starting);
    this.stopPing();
    this.settleReady.reject(error);
    const calls = [...this.pending.values()];
    this.pending.clear();
    for (const call of calls) {
      clearTimeout(call.grace);
      call.reject(call.grace ? cancelled() : error);
    }
    this.hooks.changed();
  }

  private keepOutput(text: string, level: LogLevel): void {
    for (const line of text.split('\n').filter(Boolean)) {
      const printed = printedLine(line, level);
      this.hooks.log(printed);
      this.output = [...this.output, printed.text].slice(-keptLines);
    }
  }
}

export const cancelled = (): QuantscopeError =>
  new QuantscopeError('CANCELLED', said`The request was cancelled.`);

/** The engine's error; its message names the place already. */
function revive({ code, message, file, tensor, offset, stack }: SerializedError): QuantscopeError {
  const error = new QuantscopeError(code as ErrorCode, message);
  const place = {
    ...(file === undefined ? {} : { file }),
    ...(tensor === undefined ? {} : { tensor }),
    ...(offset === undefined ? {} : { offset }),
  };
  Object.assign(error, { place, ...(stack === undefined ? {} : { stack }) });
  return error;
}
