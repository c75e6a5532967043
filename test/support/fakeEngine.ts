import type { StartTransport, TransportEvents } from '../../src/engine/clientTransport';
import type { EngineInbound, EngineOutbound } from '../../src/protocol/engine';

/** A process that a test plays: what it was sent, and what it says. */
export class FakeProcess {
  readonly received: EngineInbound[] = [];
  killed = false;
  disconnected = false;

  constructor(
    readonly kind: string,
    readonly pid: number,
    private readonly events: TransportEvents,
  ) {}

  say(message: EngineOutbound): void {
    this.events.message(message);
  }

  print(text: string): void {
    this.events.output(text);
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
        process.end('signal SIGKILL');
      },
    };
  };
  return { start, started };
}
