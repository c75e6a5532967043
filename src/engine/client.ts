import { fork, type ChildProcess } from 'node:child_process';
import { QuantscopeError, type ErrorCode } from '../model/errors';
import type {
  EngineInbound,
  EngineMethod,
  EngineOutbound,
  EngineProgress,
  EngineRequests,
  SerializedError,
} from '../protocol/engine';

export interface EngineOptions {
  /** The engine's bundle. */
  readonly entry: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The process ended without being asked to; pending calls are rejected already. */
  readonly onExit?: (reason: string) => void;
  /** Lines that the process printed. */
  readonly log?: (line: string) => void;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EngineProgress) => void;
}

/** How long a start may take, and how long a cancelled request may take to stop before the process is killed (ms). */
const startTimeout = 20_000;
const cancelGrace = 3_000;
/** Crashes within the window after which the engine is not restarted on its own. */
const maxCrashes = 5;
const crashWindow = 60_000;
/** Lines of the process's output kept to explain its end. */
const keptLines = 20;

interface Pending {
  resolve(value: unknown): void;
  reject(error: QuantscopeError): void;
  readonly onProgress?: (progress: EngineProgress) => void;
}

/** Owns the engine process: starts it with the first call, restarts it after a crash, settles every call. */
export class EngineClient {
  private child: ChildProcess | undefined;
  private ready: Promise<void> | undefined;
  private nextId = 1;
  private disposed = false;
  private crashes: number[] = [];
  private output: string[] = [];
  private readonly pending = new Map<number, Pending>();

  constructor(private readonly options: EngineOptions) {}

  /** Of the running process; undefined when there is none. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Whether it works on a request. */
  get busy(): boolean {
    return this.pending.size > 0;
  }

  /** @throws QuantscopeError as the engine reports it; CANCELLED; ENGINE_DIED when the process ends meanwhile. */
  async call<M extends EngineMethod>(
    method: M,
    params: EngineRequests[M]['params'],
    { signal, onProgress }: CallOptions = {},
  ): Promise<EngineRequests[M]['result']> {
    if (signal?.aborted) throw cancelled();
    await this.start();
    if (!this.child) throw new QuantscopeError('ENGINE_DIED', 'The engine was stopped.'); // while this call waited
    const id = this.nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.pending.set(id, { resolve, reject, ...(onProgress ? { onProgress } : {}) });
    });
    const cancel = (): void => this.cancel(id);
    signal?.addEventListener('abort', cancel, { once: true });
    this.post({ kind: 'request', id, method, params });
    if (signal?.aborted) this.cancel(id);
    try {
      return (await answer) as EngineRequests[M]['result'];
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Starts a fresh process now, whatever happened before. */
  async restart(): Promise<void> {
    this.crashes = [];
    this.leave('The engine was restarted.');
    await this.start();
  }

  dispose(): void {
    this.disposed = true;
    this.leave('The engine was stopped.');
  }

  private start(): Promise<void> {
    if (this.disposed) return Promise.reject(new QuantscopeError('ENGINE_DIED', 'The engine was stopped.'));
    this.ready ??= this.launch();
    return this.ready;
  }

  private launch(): Promise<void> {
    const recent = this.crashes.filter((time) => Date.now() - time < crashWindow);
    if (recent.length >= maxCrashes) {
      const message = `The engine ended ${recent.length} times within a minute and is not started again by itself. ${this.lastOutput()}`;
      return Promise.reject(new QuantscopeError('ENGINE_DIED', message));
    }
    this.output = [];
    const child = fork(this.options.entry, [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...this.options.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    this.child = child;
    child.stdout?.on('data', (data: Buffer) => this.keepOutput(data));
    child.stderr?.on('data', (data: Buffer) => this.keepOutput(data));
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, startTimeout);
      child.on('message', (message: EngineOutbound) => {
        if (message.kind === 'ready') {
          clearTimeout(timer);
          resolve();
        } else this.receive(message);
      });
      const gone = (reason: string): void => {
        clearTimeout(timer);
        reject(this.died(reason));
        this.ended(child, reason);
      };
      child.on('error', (error) => gone(error.message));
      child.on('exit', (code, signal) => {
        if (late) gone(`it did not start within ${startTimeout / 1000} s`);
        else gone(signal ? `signal ${signal}` : `exit status ${code}`);
      });
    });
  }

  private receive(message: Exclude<EngineOutbound, { kind: 'ready' }>): void {
    const call = this.pending.get(message.id);
    if (!call) return; // an answer that came too late
    if (message.kind === 'progress') {
      call.onProgress?.(message.progress);
      return;
    }
    this.pending.delete(message.id);
    if (message.kind === 'result') call.resolve(message.result);
    else call.reject(revive(message.error));
  }

  /** Asks for an end; ONNX Runtime cannot be interrupted, so a request that does not stop takes the process with it. */
  private cancel(id: number): void {
    if (!this.pending.has(id)) return;
    this.post({ kind: 'cancel', id });
    setTimeout(() => {
      const call = this.pending.get(id);
      if (!call) return;
      this.pending.delete(id);
      call.reject(cancelled());
      this.abandon('The engine was stopped to cancel a request.')?.kill('SIGKILL');
    }, cancelGrace).unref();
  }

  private post(message: EngineInbound): void {
    this.child?.send(message, (error) => {
      if (error) this.options.log?.(`A message could not be sent: ${error.message}`);
    });
  }

  /** A process that ended by itself. */
  private ended(child: ChildProcess, reason: string): void {
    if (this.child !== child) return; // stopped on purpose, or reported already
    this.child = undefined;
    this.ready = undefined;
    this.crashes.push(Date.now());
    this.rejectAll(this.died(reason));
    this.options.onExit?.(reason);
  }

  /** Ends the process; one that is at work gets the time to remove its temporary files. */
  private leave(reason: string): void {
    const busy = this.pending.size > 0;
    const child = this.abandon(reason);
    if (!child) return;
    if (!busy || !child.connected) {
      child.kill('SIGKILL');
      return;
    }
    child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), cancelGrace).unref();
    child.once('exit', () => clearTimeout(timer));
  }

  /** Lets go of the process, which the caller ends: its end is no crash any more. */
  private abandon(reason: string): ChildProcess | undefined {
    const child = this.child;
    this.child = undefined;
    this.ready = undefined;
    this.rejectAll(new QuantscopeError('ENGINE_DIED', reason));
    return child;
  }

  private rejectAll(error: QuantscopeError): void {
    const calls = [...this.pending.values()];
    this.pending.clear();
    for (const call of calls) call.reject(error);
  }

  private died(reason: string): QuantscopeError {
    return new QuantscopeError(
      'ENGINE_DIED',
      `The engine process ended (${reason}). ${this.lastOutput()}`.trim(),
    );
  }

  private keepOutput(data: Buffer): void {
    for (const line of data.toString().split('\n').filter(Boolean)) {
      this.options.log?.(line);
      this.output = [...this.output, line].slice(-keptLines);
    }
  }

  private lastOutput(): string {
    return this.output.length === 0 ? '' : `Its last words: ${this.output.slice(-3).join(' | ')}`;
  }
}

const cancelled = (): QuantscopeError => new QuantscopeError('CANCELLED', 'The request was cancelled.');

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
