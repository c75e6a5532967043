import { QuantscopeError } from '../model/errors';
import type { EngineMethod, EngineProgress, EngineRequests, LogLine } from '../protocol/engine';
import { said } from '../protocol/said';
import { cancelled, EngineProcess } from './clientProcess';
import { forkEngine, type EngineProgram, type ProcessKind, type StartTransport } from './clientTransport';
import { processKinds } from './processKinds';

export interface EngineOptions extends EngineProgram {
  /** A process ended unexpectedly; its calls are already rejected. */
  readonly onExit?: (reason: string) => void;
  /** Lines that the processes logged or printed. */
  readonly log?: (line: LogLine) => void;
  /** How processes are started; as child processes by default, replaced in tests. */
  readonly start?: StartTransport;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EngineProgress) => void;
  /** Title of the request in lists of running jobs: "Sensitivity over eval.txt". The method's name when absent. */
  readonly title?: string;
}

/** A long job that runs now. */
export interface RunningJob {
  readonly id: number;
  readonly method: EngineMethod;
  readonly title: string;
  /** The model that it works on; absent for an installation. */
  readonly path?: string;
  readonly progress?: EngineProgress;
  /** It was asked to stop but is still running. */
  readonly cancelling: boolean;
}

/** How long a process without a request is kept (ms): jobs often follow one another, and models stay open for the next request. */
const idleTime: Readonly<Record<ProcessKind, number>> = {
  ...{ interactive: 600_000, job: 30_000, chat: 600_000 },
};
/** Crashes of one kind of process within the window after which none is started automatically. */
const maxCrashes = 5;
const crashWindow = 60_000;

/** A job with what its owner needs to cancel it. */
interface Job {
  state: RunningJob;
  readonly controller: AbortController;
}

/** Owns the engine's processes: starts them when they are needed, ends them when they are not, settles every call. */
export class EngineClient {
  private readonly start: StartTransport;
  private readonly all = new Set<EngineProcess>();
  /** Processes with outdated settings: they finish their work and take no new requests. */
  private readonly retired = new WeakSet<EngineProcess>();
  /** Path of the model of a process's last job. */
  private readonly lastModel = new WeakMap<EngineProcess, string>();
  private readonly idle = new Map<EngineProcess, NodeJS.Timeout>();
  private readonly crashes: Record<ProcessKind, { time: number; lastOutput: string }[]> = {
    interactive: [],
    job: [],
    chat: [],
  };
  private readonly running = new Map<number, Job>();
  private readonly listeners = new Set<() => void>();
  private nextJob = 1;
  private disposed = false;

  constructor(private readonly options: EngineOptions) {
    this.start = options.start ?? forkEngine(options);
  }

  /** The current processes. */
  get processes(): readonly { pid: number | undefined; kind: ProcessKind; running: number }[] {
    return [...this.all].map(({ pid, kind, running }) => ({ pid, kind, running }));
  }

  /** The long jobs that run now, in the order of their start. */
  get jobs(): readonly RunningJob[] {
    return [...this.running.values()].map(({ state }) => state);
  }

  /** Calls back when a job starts, reports progress, is cancelled or ends. */
  onJobs(listener: () => void): { dispose(): void } {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  /** @throws QuantscopeError as the engine reports it; CANCELLED; ENGINE_DIED when its process ends first. */
  async call<M extends EngineMethod>(
    method: M,
    params: EngineRequests[M]['params'],
    options: CallOptions = {},
  ): Promise<EngineRequests[M]['result']> {
    if (options.signal?.aborted) throw cancelled();
    const process = this.processFor(processKinds[method] ?? 'interactive');
    const result = process.kind === 'interactive' ? undefined : this.run(process, method, params, options);
    return (await (result ?? process.call(method, params, options))) as EngineRequests[M]['result'];
  }

  /** Asks a job to stop; its caller gets CANCELLED. */
  cancelJob(id: number): void {
    this.running.get(id)?.controller.abort();
  }

  /** Ends all processes and their work, forgets crashes, and starts a new process. */
  async restart(): Promise<void> {
    this.forgiveCrashes();
    this.leaveAll(said`The engine was restarted.`);
    await this.processFor('interactive').ready;
  }

  /** Lets processes start again after they crashed too often. */
  forgiveCrashes(): void {
    this.crashes.interactive = [];
    this.crashes.job = [];
    this.crashes.chat = [];
  }

  /** Ends processes of chats that wait for the next turn over a model, and so closes what they keep open. */
  endChats(path: string): void {
    for (const process of [...this.idle.keys()])
      if (process.kind === 'chat' && this.lastModel.get(process) === path) this.end(process);
  }

  /** For changed settings: new requests go to new processes; running jobs finish in theirs. */
  renew(): void {
    this.forgiveCrashes();
    for (const process of this.all) {
      this.retired.add(process);
      if (process.running === 0) this.end(process);
    }
  }

  dispose(): void {
    this.disposed = true;
    this.leaveAll(said`The engine was stopped.`);
    this.listeners.clear();
  }

  private async run(
    process: EngineProcess,
    method: EngineMethod,
    params: unknown,
    { signal, onProgress, title }: CallOptions,
  ): Promise<unknown> {
    const id = this.nextJob++;
    const controller = new AbortController();
    const path = (params as { path?: string }).path;
    const state: RunningJob = {
      ...{ id, method, title: title ?? method, cancelling: false },
      ...(path === undefined ? {} : { path }),
    };
    if (path !== undefined) this.lastModel.set(process, path);
    const job: Job = { state, controller };
    const show = (change: Partial<RunningJob>): void => {
      job.state = { ...job.state, ...change };
      this.tell();
    };
    const cancel = (): void => controller.abort();
    controller.signal.addEventListener('abort', () => show({ cancelling: true }));
    signal?.addEventListener('abort', cancel);
    this.running.set(id, job);
    this.tell();
    try {
      return await process.call(method, params, {
        signal: controller.signal,
        onProgress: (progress) => {
          show({ progress });
          onProgress?.(progress);
        },
      });
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.running.delete(id);
      this.tell();
    }
  }

  /** A process that can take a request of this kind; a job's is free of others. @throws QuantscopeError ENGINE_DIED. */
  private processFor(kind: ProcessKind): EngineProcess {
    if (this.disposed) throw new QuantscopeError('ENGINE_DIED', said`The engine was stopped.`);
    const found = [...this.all].find(
      (process) =>
        process.kind === kind &&
        !this.retired.has(process) &&
        (kind === 'interactive' || process.running === 0),
    );
    return found ?? this.launch(kind);
  }

  private launch(kind: ProcessKind): EngineProcess {
    const recent = this.crashes[kind].filter(({ time }) => Date.now() - time < crashWindow);
    const last = recent.at(-1);
    if (last && recent.length >= maxCrashes) {
      const message = said`The engine ended ${recent.length} times within a minute and will not be restarted automatically. ${last.lastOutput}`;
      throw new QuantscopeError('ENGINE_DIED', message.trim());
    }
    const process: EngineProcess = new EngineProcess(kind, this.start, {
      changed: () => this.changed(process),
      crashed: (reason, lastOutput) => {
        this.crashes[kind].push({ time: Date.now(), lastOutput });
        this.options.onExit?.(reason);
      },
      log: (line) => this.options.log?.(line),
    });
    this.all.add(process);
    return process;
  }

  /** Maintains the list of processes: ended ones are removed at once, idle ones after a while. */
  private changed(process: EngineProcess): void {
    clearTimeout(this.idle.get(process));
    this.idle.delete(process);
    if (!process.usable) {
      this.all.delete(process);
      return;
    }
    if (process.running > 0) return;
    const spare = [...this.idle.keys()].some((other) => other.kind === process.kind);
    if (spare || this.retired.has(process)) return this.end(process);
    this.idle.set(process, setTimeout(() => this.end(process), idleTime[process.kind]).unref());
  }

  private end(process: EngineProcess, reason = 'The engine was stopped.'): void {
    process.leave(reason);
  }

  private leaveAll(reason: string): void {
    for (const process of [...this.all]) this.end(process, reason);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
