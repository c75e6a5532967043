import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineClient } from '../../../src/engine/client';
import type { QuantscopeError } from '../../../src/model/errors';
import {
  analysis,
  fakeProcesses,
  outcome,
  pass,
  path,
  playedClient,
  second,
  sensitivity,
  type FakeProcess,
} from '../../support/fakeEngine';

let client: EngineClient;
let started: FakeProcess[];
let exits: string[];

beforeEach(() => ({ client, started, exits } = playedClient()));
afterEach(() => {
  client.dispose();
  vi.useRealTimers();
});

function analyse(): { end: { is: string }; cancel: () => void; id: number } {
  const controller = new AbortController();
  const end = outcome(client.call('tensor/analyse', analysis, { signal: controller.signal }));
  const ids = started.find(({ kind }) => kind === 'interactive')!.requests('tensor/analyse');
  return { end, cancel: () => controller.abort(), id: ids.at(-1)! };
}

describe('restarting', () => {
  const refused = 'The engine ended 5 times within a minute and will not be restarted automatically.';

  it('after a change of settings lets running jobs finish in their processes and starts others for what follows', async () => {
    const job = outcome(client.call('sensitivity/run', sensitivity));
    outcome(client.call('formats/list', {}));
    started.forEach((process) => process.ready());
    started[1]!.answer(1);
    await pass(0);
    client.renew();
    expect(started.map(({ killed }) => killed)).toEqual([false, true]);
    outcome(client.call('formats/list', {}));
    outcome(client.call('export/gguf', { path, out: '/o.gguf' }));
    expect(started.map(({ kind }) => kind)).toEqual(['job', 'interactive', 'interactive', 'job']);
    started[0]!.answer(1);
    await pass(0);
    expect([job.is, started[0]!.killed]).toEqual(['result undefined', true]);
  });

  it('on request ends everything; what is at work may clean up first', async () => {
    const job = outcome(client.call('export/gguf', { path, out: '/o.gguf' }));
    started[0]!.ready();
    const restarted = outcome(client.restart());
    await pass(0);
    expect([job.is, started[0]!.disconnected, started[0]!.killed]).toEqual(['ENGINE_DIED', true, false]);
    await pass(3 * second);
    expect(started[0]!.killed).toBe(true);
    started[1]!.ready();
    await pass(0);
    expect([restarted.is, exits]).toEqual(['result undefined', []]);
  });

  it('is rejected for jobs after five crashes of jobs, while short requests still work', async () => {
    for (let crash = 0; crash < 5; crash++) {
      outcome(client.call('sensitivity/run', sensitivity));
      started.at(-1)!.print(`out of memory ${crash + 1}\n`);
      started.at(-1)!.end('signal SIGKILL');
      await pass(0);
    }
    await expect(client.call('sensitivity/run', sensitivity)).rejects.toMatchObject({
      ...{ code: 'ENGINE_DIED', message: `${refused} Last output: out of memory 5` },
    });
    outcome(client.call('formats/list', {}));
    expect(started).toHaveLength(6);
    client.forgiveCrashes();
    outcome(client.call('sensitivity/run', sensitivity));
    expect(started).toHaveLength(7);
  });

  it('is possible again a minute after the crashes', async () => {
    for (let crash = 0; crash < 5; crash++) {
      outcome(client.call('formats/list', {}));
      started.at(-1)!.end('exit status 1');
      await pass(0);
    }
    await pass(60 * second - 1);
    await expect(client.call('formats/list', {})).rejects.toMatchObject({ message: refused });
    await pass(1);
    outcome(client.call('formats/list', {}));
    expect(started).toHaveLength(6);
  });

  it('is possible at once on request', async () => {
    for (let crash = 0; crash < 5; crash++) {
      outcome(client.call('formats/list', {}));
      started.at(-1)!.end('exit status 1');
      await pass(0);
    }
    const restarted = outcome(client.restart());
    started.at(-1)!.ready();
    await pass(0);
    expect([restarted.is, started.length]).toEqual(['result undefined', 6]);
  });

  it('on request does not wait for a process that has not started, which gets no requests any more', async () => {
    const call = outcome(client.call('export/gguf', { path, out: '/o.gguf' }));
    started[0]!.mortal = false;
    client.dispose();
    await pass(0);
    expect([call.is, started[0]!.killed, started[0]!.disconnected]).toEqual(['ENGINE_DIED', true, false]);
    started[0]!.ready();
    expect(started[0]!.received).toEqual([]);
  });

  it('is impossible once it was disposed', async () => {
    client.dispose();
    await expect(client.call('formats/list', {})).rejects.toMatchObject({ code: 'ENGINE_DIED' });
  });
});

describe('what the owner tells and keeps', () => {
  it('lists its processes', () => {
    outcome(client.call('formats/list', {}));
    outcome(client.call('sensitivity/run', sensitivity));
    expect(client.processes).toEqual([
      { pid: 1000, kind: 'interactive', running: 1 },
      { pid: 1001, kind: 'job', running: 1 },
    ]);
  });

  it('logs what processes print line by line, and explains an end with the last three lines', async () => {
    const lines: string[] = [];
    const { start, started: own } = fakeProcesses();
    const logging = new EngineClient({ entry: 'fake', start, log: ({ text }) => lines.push(text) });
    const call = logging.call('formats/list', {});
    own[0]!.print('one\ntwo\n');
    own[0]!.print('three\n\nfour\n');
    own[0]!.end('exit status 1'); // nobody asked to hear of it
    await expect(call).rejects.toThrow(
      'The engine process ended (exit status 1). Last output: two | three | four',
    );
    expect(lines).toEqual(['one', 'two', 'three', 'four']);
    const silent = logging.call('formats/list', {});
    own[1]!.end('exit status 1');
    await expect(silent).rejects.toThrow(/^The engine process ended \(exit status 1\)\.$/);
    logging.dispose();
  });

  it('returns errors with their place and their stack', async () => {
    const call = client.call('formats/list', {}).catch((error: unknown) => error);
    const place = { file: '/m.gguf', tensor: 'a', offset: 8 };
    started[0]!.ready().say({
      ...{ kind: 'error', id: 1 },
      error: { code: 'MODEL_FILE', message: 'It is torn.', ...place, stack: 'at the engine' },
    });
    expect(await call).toMatchObject({
      code: 'MODEL_FILE',
      message: 'It is torn.',
      place,
      stack: 'at the engine',
    });
    const bare = client.call('formats/list', {}).catch((error: unknown) => error);
    started[0]!.say({ kind: 'error', id: 2, error: { code: 'IO', message: 'The disk is full.' } });
    const error = (await bare) as QuantscopeError;
    expect([error.code, error.message]).toEqual(['IO', 'The disk is full.']);
    expect(error.place).toStrictEqual({});
    expect(error.stack).toContain('The disk is full.');
  });

  it('drops messages for requests that it does not know', async () => {
    const call = outcome(client.call('formats/list', {}));
    started[0]!.ready();
    started[0]!.say({ kind: 'progress', id: 9, progress: { message: '', done: 1, total: 1 } });
    started[0]!.answer(9);
    started[0]!.stop(9);
    client.cancelJob(9);
    await pass(0);
    expect(call.is).toBe('pending');
  });

  it('numbers jobs, and forgets listeners that were disposed', async () => {
    let told = 0;
    const listening = client.onJobs(() => (told += 1));
    outcome(client.call('gpuRuntime/install', { sha512: 'x' }));
    outcome(client.call('sensitivity/run', sensitivity));
    expect(client.jobs).toStrictEqual([
      { id: 1, method: 'gpuRuntime/install', title: 'gpuRuntime/install', cancelling: false },
      { id: 2, method: 'sensitivity/run', title: 'sensitivity/run', path, cancelling: false },
    ]);
    listening.dispose();
    started[0]!.ready().answer(1);
    await pass(0);
    expect(told).toBe(2);
  });

  it('keeps an idle process of each kind', async () => {
    outcome(client.call('formats/list', {}));
    outcome(client.call('sensitivity/run', sensitivity));
    started.forEach((process) => process.ready().answer(1));
    await pass(0);
    expect(started.map(({ killed }) => killed)).toEqual([false, false]);
  });

  it('leaves no timer, however processes end', async () => {
    const calls = [analyse(), analyse(), analyse()];
    const controller = new AbortController();
    outcome(client.call('sensitivity/run', sensitivity, { signal: controller.signal }));
    outcome(client.call('export/gguf', { path, out: '/o.gguf' })); // never gets ready
    started[0]!.ready();
    started[1]!.ready();
    calls[0]!.cancel(); // within its grace
    calls[1]!.cancel();
    await pass(3 * second); // a ping is under way
    calls[2]!.cancel();
    controller.abort();
    started.forEach((process) => process.end('exit status 1'));
    await pass(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(calls.map(({ end }) => end.is)).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED']);
  });

  it('pings once for several requests that do not stop', async () => {
    const calls = [analyse(), analyse(), analyse()];
    started[0]!.ready();
    calls[0]!.cancel();
    await pass(second);
    calls[1]!.cancel();
    await pass(4 * second);
    expect(started[0]!.count('ping')).toBe(1);
  });

  it('reports a restart that fails', async () => {
    const restarted = outcome(client.restart());
    started[0]!.end('exit status 1');
    await pass(0);
    expect(restarted.is).toBe('ENGINE_DIED');
  });

  it('ends a process that was restarted and gets no request', async () => {
    outcome(client.restart());
    started[0]!.ready();
    await pass(601 * second);
    expect([started[0]!.killed, exits]).toEqual([true, []]);
  });

  it('takes a process that was restarted for the next request, and ends it when none comes', async () => {
    outcome(client.restart());
    started[0]!.ready();
    await pass(0);
    outcome(client.call('formats/list', {}));
    expect(started).toHaveLength(1);
    started[0]!.answer(1);
    await pass(601 * second);
    expect([started[0]!.killed, exits]).toEqual([true, []]);
  });

  it('counts no crashes from before a change of settings', async () => {
    for (let crash = 0; crash < 5; crash++) {
      outcome(client.call('formats/list', {}));
      started.at(-1)!.end('exit status 1');
      await pass(0);
    }
    client.renew();
    outcome(client.call('formats/list', {}));
    expect(started).toHaveLength(6);
  });
});
