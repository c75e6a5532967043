import type { CallOptions } from '../../src/engine/client';
import { QuantscopeError } from '../../src/model/errors';
import type { EngineMethod, EngineRequests } from '../../src/protocol/engine';
import { Devices } from '../../src/vscode/devices';
import type { Engine, Log, Notices } from '../../src/vscode/host';
import type { SessionContext } from '../../src/vscode/sessionContext';

/** A request that an engine played by a test has not answered yet. */
export interface FakeCall {
  readonly method: EngineMethod;
  readonly params: Record<string, unknown>;
  readonly options: CallOptions;
  answer(result: unknown): Promise<void>;
  fail(code: 'ENGINE_DIED' | 'REQUEST' | 'MODEL_FILE', message: string): Promise<void>;
}

type Answers = {
  [M in EngineMethod]?: (params: EngineRequests[M]['params']) => EngineRequests[M]['result'];
};

/** Lets what was resolved take effect. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An engine that answers some methods at once and leaves the others to the test; cancelled calls reject as the real one's. */
export class FakeEngine implements Engine {
  readonly calls: FakeCall[] = [];
  forgiven = 0;

  constructor(private readonly answers: Answers = {}) {}

  call<M extends EngineMethod>(
    method: M,
    params: EngineRequests[M]['params'],
    options: CallOptions = {},
  ): Promise<EngineRequests[M]['result']> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new QuantscopeError('CANCELLED', 'The request was cancelled.'));
      if (options.signal?.aborted) return stop();
      options.signal?.addEventListener('abort', stop);
      const settled = (): Promise<void> => {
        options.signal?.removeEventListener('abort', stop);
        return settle();
      };
      this.calls.push({
        ...{ method, params: params as Record<string, unknown>, options },
        answer: (result) => {
          resolve(result as never);
          return settled();
        },
        fail: (code, message) => {
          reject(new QuantscopeError(code, message));
          return settled();
        },
      });
      const known = this.answers[method];
      if (!known) return;
      void settled();
      resolve(known(params));
    });
  }

  forgiveCrashes(): void {
    this.forgiven += 1;
  }

  /** Calls of a method, in their order. */
  of(method: EngineMethod): FakeCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  last(method: EngineMethod): FakeCall {
    const call = this.of(method).at(-1);
    if (!call) throw new Error(`${method} was not called.`);
    return call;
  }
}

/** Notices that were shown; an error that offers actions waits for `choose`. */
export class FakeNotices implements Notices {
  readonly shown: string[] = [];
  private readonly offers: { actions: string[]; resolve: (action: string | undefined) => void }[] = [];

  info(message: string): void {
    this.shown.push(message);
  }

  warn(message: string): void {
    this.shown.push(message);
  }

  error(message: string, ...actions: string[]): Promise<string | undefined> {
    this.shown.push(message);
    return new Promise((resolve) => this.offers.push({ actions, resolve }));
  }

  /** Closes the first notice that offers something and was not answered. */
  async close(): Promise<void> {
    this.offers.shift()!.resolve(undefined);
    await settle();
  }

  /** Takes the action of the first notice that offers it and was not answered. */
  async choose(action: string): Promise<void> {
    const at = this.offers.findIndex(({ actions }) => actions.includes(action));
    if (at < 0) throw new Error(`Nothing offers "${action}".`);
    this.offers.splice(at, 1)[0]!.resolve(action);
    await settle();
  }
}

export class FakeLog implements Log {
  readonly lines: string[] = [];
  readonly info = (line: string): unknown => this.lines.push(line);
  readonly warn = this.info;
  readonly error = this.info;
}

/** What sessions need, played by a test. */
export function fakeContext(answers: Answers, folder: string) {
  const engine = new FakeEngine(answers);
  const notices = new FakeNotices();
  const log = new FakeLog();
  const devices = new Devices(engine, log, notices, () => 'cpu');
  const measuringOf: SessionContext['measuringOf'] = () => ({ codes: 'reference', backend: 'cpu' });
  const context = {
    engine,
    notices,
    log,
    devices,
    sensitivityDir: `${folder}/cells`,
    evidenceDir: `${folder}/evidence`,
    planDir: `${folder}/plans`,
    measuringOf,
    verifiesOnOpening: () => true,
  };
  return { engine, notices, log, devices, context };
}
