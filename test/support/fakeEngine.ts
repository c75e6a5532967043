import { vi } from 'vitest';
import { EngineClient } from '../../src/engine/client';
import type { StartTransport, TransportEvents } from '../../src/engine/clientTransport';
import type { EngineInbound, EngineOutbound } from '../../src/protocol/engine';

/** A process that a test plays: what it was sent, and what it says. */
export class FakeProcess {
  readonly received: EngineInbound[] = [];
  killed = false;
  disconnected = false;
  /** Whether a signal ends it, which one that is inside a driver may survive. */
  mortal = true;

  constructor(
    readonly kind: string,
    readonly pid: number,
    private readonly events: TransportEvents,
  ) {}

  say(message: EngineOutbound): void {
    this.events.message(message);
  }

  print(text: string): void {
    this.events.output(text, 'warn');
  }

  end(reason: string): void {
    this.events.ended(reason);
  }

  ready(): this {
    this.say({ kind: 'ready', version: 'fake' });
    return this;
  }

  /** Ids of the requests of a method, in the order in which they came. */
  requests(method: string): number[] {
    return this.received.flatMap((m) => (m.kind === 'request' && m.method === method ? [m.id] : []));
  }

  answer(id: number, result: unknown = undefined): void {
    this.say({ kind: 'result', id, result });
  }

  /** Answers a request as an engine does that was asked to stop it. */
  stop(id: number): void {
    this.say({ kind: 'error', id, error: { code: 'CANCELLED', message: 'The request was cancelled.' } });
  }

  count(kind: EngineInbound['kind']): number {
    return this.received.filter((message) => message.kind === kind).length;
  }
}

/** Processes of an engine that tests play, in the order in which they were started. */
export function fakeProcesses(): { start: StartTransport; started: FakeProcess[] } {
  const started: FakeProcess[] = [];
  const start: StartTransport = (kind, events) => {
    const process = new FakeProcess(kind, 1000 + started.length, events);
    started.push(process);
    return {
      pid: process.pid,
      send: (message) => process.received.push(message),
      disconnect: () => (process.disconnected = true),
      kill: () => {
        process.killed = true;
        if (process.mortal) process.end('signal SIGKILL');
      },
    };
  };
  return { start, started };
}

export const path = '/models/a.gguf';
export const analysis = { path, tensor: 'a' };
export const sensitivity = { path, device: 'cpu', cacheDir: '/cache' } as const;

/** A client whose processes a test plays, with fake timers; `exits` are the ends that it reported. */
export function playedClient(): { client: EngineClient; started: FakeProcess[]; exits: string[] } {
  vi.useFakeTimers();
  const exits: string[] = [];
  const { start, started } = fakeProcesses();
  const client = new EngineClient({ entry: 'fake', start, onExit: (reason) => exits.push(reason) });
  return { client, started, exits };
}

/** How a call ended, or "pending". */
export function outcome(call: Promise<unknown>): { is: string } {
  const state = { is: 'pending' };
  call.then(
    (result) => (state.is = `result ${JSON.stringify(result)}`),
    (error: { code: string }) => (state.is = error.code),
  );
  return state;
}

/** Milliseconds. */
export const second = 1000;
export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
