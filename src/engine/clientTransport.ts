import { fork } from 'node:child_process';
import type { EngineInbound, EngineOutbound, LogLevel } from '../protocol/engine';
import { said } from '../protocol/said';

/** What an engine process does: answer short requests, or run one long job at a time, or one turn of a chat at a time, whose models stay open. */
export type ProcessKind = 'interactive' | 'job' | 'chat';

/** Events of a process for its owner. */
export interface TransportEvents {
  message(message: EngineOutbound): void;
  /** Text that the process printed, and how much it matters where its lines do not say. */
  output(text: string, level: LogLevel): void;
  /** Once: the process ended, or could not be started. */
  ended(reason: string): void;
}

/** A started process, as its owner sees it. */
export interface Transport {
  readonly pid: number | undefined;
  send(message: EngineInbound): void;
  /** Lets the process clean up and exit. */
  disconnect(): void;
  kill(): void;
}

export type StartTransport = (kind: ProcessKind, events: TransportEvents) => Transport;

export interface EngineProgram {
  /** The engine's bundle. */
  readonly entry: string;
  /** Read at every start. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the engine's bundle as a child process; all but the interactive process run at a lower priority than the editor. */
export function forkEngine(program: EngineProgram): StartTransport {
  return (kind, events) => {
    const child = fork(program.entry, kind === 'interactive' ? [] : ['--job'], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...program.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    child.stdout?.on('data', (data: Buffer) => events.output(data.toString(), 'info'));
    child.stderr?.on('data', (data: Buffer) => events.output(data.toString(), 'warn'));
    child.on('message', (message) => events.message(message as EngineOutbound));
    child.on('error', (error) => events.ended(error.message));
    child.on('exit', (code, signal) =>
      events.ended(signal ? said`signal ${signal}` : said`exit status ${String(code)}`),
    );
    return {
      pid: child.pid,
      send: (message) =>
        child.send(message, (error) => {
          if (error) events.output(`A message could not be sent: ${error.message}`, 'warn');
        }),
      disconnect: () => {
        if (child.connected) child.disconnect();
      },
      kill: () => child.kill('SIGKILL'),
    };
  };
}
