import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineClient } from '../../../src/engine/client';
import {
  analysis,
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

  it('keeps the process of a chat for its next turn, and ends it when the model is closed', async () => {
    const chat = { path, cacheDir: '/c', device: 'cpu', variant: { type: 'Q4_0' }, messages: [] } as const;
    const turns = [client.call('chat/run', chat), client.call('chat/run', chat)].map(outcome);
    expect(started.map(({ kind }) => kind)).toEqual(['chat', 'chat']);
    started.forEach((process) => process.ready());
    client.endChats(path); // both work
    expect(client.processes).toHaveLength(2);
    started.forEach((process) => process.answer(1, 'said'));
    await pass(0);
    expect(turns.map(({ is }) => is)).toEqual(['result "said"', 'result "said"']);
    expect(client.processes).toHaveLength(1);
    await pass(300_000);
    void outcome(client.call('chat/run', chat));
    expect(started).toHaveLength(2);
    const [kept] = started.filter(({ killed }) => !killed);
    kept!.answer(2, 'said');
    await pass(0);
    client.endChats('/another.gguf');
    expect(client.processes).toHaveLength(1);
    client.endChats(path);
    expect(client.processes).toHaveLength(0);
  });

  it('holds requests back until the process is ready, and leaves out those cancelled before', async () => {
    const controller = new AbortController();
    const early = outcome(client.call('tensor/analyse', analysis, { signal: controller.signal }));
    const later = outcome(client.call('formats/list', {}));
    controller.abort();
    await pass(0);
    expect(early.is).toBe('CANCELLED');
    expect([started[0]!.received, client.processes[0]!.running]).toEqual([[], 1]);
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

  it('has no spare process while the former one works', async () => {
    outcome(client.call('sensitivity/run', sensitivity));
    outcome(client.call('sensitivity/run', sensitivity));
    started[0]!.ready().answer(1);
    await pass(0);
    outcome(client.call('sensitivity/run', sensitivity)); // in the first process
    started[1]!.ready().answer(1);
    await pass(0);
    expect(started.map(({ killed }) => killed)).toEqual([false, false]);
  });

  it('ends the interactive process after ten idle minutes', async () => {
    outcome(client.call('formats/list', {}));
    started[0]!.ready().answer(1);
    await pass(599 * second);
    expect(started[0]!.killed).toBe(false);
    await pass(2 * second);
    expect(started[0]!.killed).toBe(true);
  });

  it('gives up on a process that does not start', async () => {
    const call = client.call('formats/list', {});
    const failure = expect(call).rejects.toMatchObject({
      code: 'ENGINE_DIED',
      message: 'The engine process ended (it did not start within 60 s).',
    });
    await pass(59 * second);
    expect(started[0]!.killed).toBe(false);
    await pass(second);
    await failure;
    expect([started[0]!.killed, exits]).toEqual([true, ['it did not start within 60 s']]);
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

  it('keeps no caller waiting for a process that survives the signal', async () => {
    const other = analyse();
    const call = analyse();
    started[0]!.ready().mortal = false;
    call.cancel();
    await pass(13 * second);
    expect([call.end.is, other.end.is, client.processes]).toEqual(['CANCELLED', 'ENGINE_DIED', []]);
    expect(exits).toEqual(['it did not respond for 10 s']);
    started[0]!.end('signal SIGKILL');
    expect(exits).toHaveLength(1);
  });

  it('does not cancel what has just been answered, or whose process has just ended', async () => {
    const [first, second] = [analyse(), analyse()];
    started[0]!.ready().answer(1);
    first.cancel();
    started[0]!.end('exit status 1');
    second.cancel();
    await pass(0);
    expect(started[0]!.count('cancel')).toBe(0);
    expect([first.end.is, second.end.is]).toEqual(['result undefined', 'ENGINE_DIED']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer and no listener behind where the request stops in time', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    for (const method of ['tensor/analyse', 'export/gguf', 'names/lookup'] as const)
      outcome(client.call(method, { ...analysis, out: '/o.gguf', kind: 'nan' } as never, { signal }));
    started.forEach((process) => process.ready());
    started[0]!.answer(2);
    started[1]!.answer(1);
    await pass(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const other = analyse();
    await pass(30 * second); // the idle process of the job ends
    controller.abort();
    started[0]!.stop(1);
    expect([vi.getTimerCount(), other.end.is]).toEqual([0, 'pending']);
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

  it('can be cancelled, or ended, by a listener that is told of their start', async () => {
    const listening = client.onJobs(() => client.cancelJob(1));
    const cancelled = outcome(client.call('sensitivity/run', sensitivity));
    await pass(0);
    listening.dispose();
    client.onJobs(() => client.dispose());
    const ended = outcome(client.call('sensitivity/run', sensitivity));
    await pass(0);
    expect([cancelled.is, ended.is]).toEqual(['CANCELLED', 'ENGINE_DIED']);
    expect(started.map(({ received }) => received)).toEqual([[]]);
  });

  it('are reported to nobody once the owner is disposed', async () => {
    let told = 0;
    client.onJobs(() => (told += 1));
    const job = outcome(client.call('sensitivity/run', sensitivity));
    client.dispose();
    await pass(0);
    expect([job.is, told]).toEqual(['ENGINE_DIED', 1]);
  });

  it('do not contain short requests', () => {
    outcome(client.call('tensor/analyse', analysis));
    expect(client.jobs).toEqual([]);
  });
});
