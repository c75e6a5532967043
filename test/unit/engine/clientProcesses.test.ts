import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineClient } from '../../../src/engine/client';
import { fakeProcesses, type FakeProcess } from '../../support/fakeEngine';

const path = '/models/a.gguf';
const analysis = { path, tensor: 'a' };
const sensitivity = { path, device: 'cpu', cacheDir: '/cache' } as const;
const second = 1000;

let client: EngineClient;
let started: FakeProcess[];
let exits: string[];

beforeEach(() => {
  vi.useFakeTimers();
  exits = [];
  const processes = fakeProcesses();
  started = processes.started;
  client = new EngineClient({
    entry: 'fake',
    start: processes.start,
    onExit: (reason) => exits.push(reason),
  });
});
afterEach(() => {
  client.dispose();
  vi.useRealTimers();
});

/** How a call ended, or "pending". */
function outcome(call: Promise<unknown>): { is: string } {
  const state = { is: 'pending' };
  call.then(
    (result) => (state.is = `result ${JSON.stringify(result)}`),
    (error: { code: string }) => (state.is = error.code),
  );
  return state;
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function analyse(): { end: { is: string }; cancel: () => void; id: number } {
  const controller = new AbortController();
  const end = outcome(client.call('tensor/analyse', analysis, { signal: controller.signal }));
  const ids = started.find(({ kind }) => kind === 'interactive')!.requests('tensor/analyse');
  return { end, cancel: () => controller.abort(), id: ids.at(-1)! };
}

describe('where requests run', () => {
  it('gives each long job a process of its own, and short requests one that they share', async () => {
    const calls = [
      client.call('tensor/analyse', analysis),
      client.call('sensitivity/run', sensitivity),
      client.call('export/preview', { path, type: 'F16' }),
      client.call('evaluation/run', { ...sensitivity, text: '/t.txt' }),
    ].map(outcome);
    expect(started.map(({ kind }) => kind)).toEqual(['interactive', 'job', 'job']);
    started.forEach((process) => process.ready());
    expect(started[0]!.received).toHaveLength(2);
    started[1]!.end('signal SIGSEGV');
    await pass(0);
    expect(calls.map(({ is }) => is)).toEqual(['pending', 'ENGINE_DIED', 'pending', 'pending']);
  });

  it('holds requests back until the process is ready, and leaves out those cancelled before', async () => {
    const controller = new AbortController();
    const early = outcome(client.call('tensor/analyse', analysis, { signal: controller.signal }));
    const later = outcome(client.call('formats/list', {}));
    controller.abort();
    await pass(0);
    expect(early.is).toBe('CANCELLED');
    expect(started[0]!.received).toEqual([]);
    started[0]!.ready();
    expect(started[0]!.received).toEqual([{ kind: 'request', id: 2, method: 'formats/list', params: {} }]);
    started[0]!.answer(2, ['x']);
    await pass(0);
    expect(later.is).toBe('result ["x"]');
  });

  it('uses the process of a job that ended for the next, and ends it when none follows', async () => {
    const first = outcome(client.call('sensitivity/run', sensitivity));
    const process = started[0]!.ready();
    process.answer(1);
    await pass(29 * second);
    expect(first.is).toBe('result undefined');
    const next = outcome(client.call('export/gguf', { path, out: '/o.gguf', type: 'F16' }));
    expect(started).toHaveLength(1);
    await pass(60 * second);
    expect(process.killed).toBe(false);
    process.answer(2);
    await pass(31 * second);
    expect(next.is).toBe('result undefined');
    expect([process.killed, client.processes, exits]).toEqual([true, [], []]);
  });

  it('keeps one spare process at most', async () => {
    outcome(client.call('sensitivity/run', sensitivity));
    outcome(client.call('sensitivity/run', sensitivity));
    started.forEach((process) => process.ready().answer(1));
    await pass(0);
    expect(started.map(({ killed }) => killed)).toEqual([false, true]);
  });

  it('ends the interactive process after ten idle minutes', async () => {
    outcome(client.call('formats/list', {}));
    started[0]!.ready().answer(1);
    await pass(599 * second);
    expect(started[0]!.killed).toBe(false);
    await pass(2 * second);
    expect(started[0]!.killed).toBe(true);
  });

  it('gives up a process that does not start', async () => {
    const call = client.call('formats/list', {});
    const failure = expect(call).rejects.toThrow(/did not start within 20 s/);
    await pass(20 * second);
    await failure;
    expect(started[0]!.killed).toBe(true);
  });
});

describe('cancelling', () => {
  it('asks, and ends with the answer; nothing is killed', async () => {
    const other = analyse();
    const call = analyse();
    started[0]!.ready();
    call.cancel();
    expect(started[0]!.received.at(-1)).toEqual({ kind: 'cancel', id: 2 });
    started[0]!.stop(2);
    await pass(60 * second);
    expect(call.end.is).toBe('CANCELLED');
    expect([started[0]!.killed, started[0]!.count('ping'), other.end.is]).toEqual([false, 0, 'pending']);
  });

  it('never kills a process that answers a ping and works on another request', async () => {
    const other = analyse();
    const call = analyse();
    started[0]!.ready();
    call.cancel();
    await pass(3 * second);
    expect(call.end.is).toBe('CANCELLED'); // its caller is not made to wait
    expect(started[0]!.count('ping')).toBe(1);
    started[0]!.say({ kind: 'pong' });
    await pass(600 * second);
    expect([started[0]!.killed, other.end.is]).toEqual([false, 'pending']);
    started[0]!.answer(1, 7);
    await pass(0);
    expect(other.end.is).toBe('result 7');
    expect(started[0]!.killed).toBe(true); // only the cancelled request was left
    expect(exits).toEqual([]);
  });

  it('kills a process that does not answer the ping, which fails the other request', async () => {
    const other = analyse();
    const call = analyse();
    started[0]!.ready();
    call.cancel();
    await pass(13 * second);
    expect([call.end.is, other.end.is]).toEqual(['CANCELLED', 'ENGINE_DIED']);
    expect([started[0]!.killed, exits]).toEqual([true, ['it did not respond for 10 s']]);
  });

  it('takes progress of the other request as a sign of life', async () => {
    const other = analyse();
    const call = analyse();
    started[0]!.ready();
    call.cancel();
    await pass(4 * second);
    started[0]!.say({ kind: 'progress', id: 1, progress: { message: '', done: 1, total: 2 } });
    await pass(60 * second);
    expect([started[0]!.killed, other.end.is]).toEqual([false, 'pending']);
  });

  it('kills a process that runs nothing but the cancelled job; others go on and it is not a crash', async () => {
    const controller = new AbortController();
    const job = outcome(client.call('evaluation/run', sensitivity, { signal: controller.signal }));
    const other = outcome(client.call('sensitivity/run', sensitivity));
    started.forEach((process) => process.ready());
    controller.abort();
    await pass(3 * second);
    expect(job.is).toBe('CANCELLED');
    expect(started.map(({ killed }) => killed)).toEqual([true, false]);
    expect([other.is, exits]).toEqual(['pending', []]);
  });

  it('leaves a running evaluation alone when previews are cancelled one after another', async () => {
    const evaluation = outcome(client.call('evaluation/run', sensitivity));
    for (let edit = 0; edit < 5; edit++) {
      const controller = new AbortController();
      outcome(client.call('export/preview', { path, type: 'F16' }, { signal: controller.signal }));
      started.forEach((process) => process.ready());
      controller.abort();
      await pass(5 * second);
    }
    expect(evaluation.is).toBe('pending');
    expect(started.filter(({ kind, killed }) => kind === 'job' && killed)).toEqual([]);
  });

  it('starts nothing for a signal that has fired already', async () => {
    const call = client.call('formats/list', {}, { signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(started).toEqual([]);
  });

  it('reports no progress after the caller was let go', async () => {
    const seen: number[] = [];
    const controller = new AbortController();
    outcome(client.call('formats/list', {}));
    const onProgress = ({ done }: { done: number }) => seen.push(done);
    outcome(client.call('tensor/analyse', analysis, { signal: controller.signal, onProgress }));
    started[0]!.ready();
    const progress = (done: number) =>
      started[0]!.say({ kind: 'progress', id: 2, progress: { message: '', done, total: 9 } });
    progress(1);
    controller.abort();
    await pass(3 * second);
    progress(2);
    expect(seen).toEqual([1]);
  });
});

describe('running jobs', () => {
  it('are pushed with title, model, progress and whether they are being cancelled', async () => {
    const seen: unknown[] = [];
    client.onJobs(() =>
      seen.push(client.jobs.map(({ title, progress, cancelling }) => [title, progress?.done, cancelling])),
    );
    const call = outcome(client.call('sensitivity/run', sensitivity, { title: 'Sensitivity' }));
    expect(client.jobs).toEqual([
      { id: 1, method: 'sensitivity/run', title: 'Sensitivity', path, cancelling: false },
    ]);
    started[0]!.ready().say({ kind: 'progress', id: 1, progress: { message: 'x', done: 3, total: 9 } });
    client.cancelJob(1);
    expect(started[0]!.received.at(-1)).toEqual({ kind: 'cancel', id: 1 });
    started[0]!.stop(1);
    await pass(0);
    expect(call.is).toBe('CANCELLED');
    expect(seen).toEqual([
      [['Sensitivity', undefined, false]],
      [['Sensitivity', 3, false]],
      [['Sensitivity', 3, true]],
      [],
    ]);
  });

  it('end with their process, however it ended', async () => {
    outcome(client.call('sensitivity/run', sensitivity));
    outcome(client.call('export/gguf', { path, out: '/o.gguf' }));
    started.forEach((process) => process.ready());
    started[0]!.end('exit status 1');
    await pass(0);
    expect(client.jobs.map(({ method }) => method)).toEqual(['export/gguf']);
    client.dispose();
    await pass(0);
    expect(client.jobs).toEqual([]);
  });

  it('do not contain short requests', () => {
    outcome(client.call('tensor/analyse', analysis));
    expect(client.jobs).toEqual([]);
  });
});

describe('restarting', () => {
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

  it('is refused for jobs after five crashes of jobs, while short requests still work', async () => {
    for (let crash = 0; crash < 5; crash++) {
      outcome(client.call('sensitivity/run', sensitivity));
      started.at(-1)!.print('out of memory\n');
      started.at(-1)!.end('signal SIGKILL');
      await pass(0);
    }
    await expect(client.call('sensitivity/run', sensitivity)).rejects.toThrow(
      /5 times.*Last output: out of memory/,
    );
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
    await pass(61 * second);
    outcome(client.call('formats/list', {}));
    expect(started).toHaveLength(6);
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
    const logging = new EngineClient({ entry: 'fake', start, log: (line) => lines.push(line) });
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

  it('gives errors back with their place and their stack', async () => {
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
  });

  it('drops what comes for requests that it does not know', async () => {
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

  it('leaves no timer behind, however processes end', async () => {
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
