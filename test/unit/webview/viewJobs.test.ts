import { describe, expect, it } from 'vitest';
import { ViewJobs, type JobOptions } from '../../../webview/viewJobs';

/** A job that ends when the test says so. */
function work() {
  const calls: { options: JobOptions; end: (result: string) => void; fail: (error: Error) => void }[] = [];
  const run = (_params: string, options: JobOptions): Promise<string> =>
    new Promise((end, fail) => {
      calls.push({ options, end, fail });
      options.signal.addEventListener('abort', () => fail(new Error('aborted')));
    });
  return { calls, run };
}

const step = { message: 'block 1 of 6', done: 1, total: 6 };

describe('jobs of views', () => {
  it('keep their progress and their result, whoever looks', async () => {
    const jobs = new ViewJobs();
    const { calls, run } = work();
    let changes = 0;
    const end = jobs.subscribe(() => (changes += 1));
    const started = jobs.start('preview', { params: 'w8a8', basis: 1 }, run);
    calls[0]!.options.onProgress(step);
    expect(jobs.run('preview', 1)).toEqual({ params: 'w8a8', basis: 1, isRunning: true, progress: step });
    calls[0]!.end('figures');
    await started;
    expect(jobs.run('preview', 1)).toEqual({ params: 'w8a8', basis: 1, isRunning: false, result: 'figures' });
    expect(jobs.run('calibration', 1)).toBeUndefined();
    expect(jobs.run('preview', 2)).toBeUndefined(); // of other files
    expect(changes).toBe(3);
    end();
  });

  it('say why they failed, and nothing where they were cancelled', async () => {
    const jobs = new ViewJobs();
    const { calls, run } = work();
    const failing = jobs.start('preview', { params: '', basis: 1 }, run);
    calls[0]!.fail(new Error('The text is too short.'));
    await failing;
    expect(jobs.run('preview', 1)).toMatchObject({ isRunning: false, failure: 'The text is too short.' });
    const cancelled = jobs.start('preview', { params: '', basis: 1 }, run);
    jobs.cancel('preview');
    await cancelled;
    expect(jobs.run('preview', 1)).toEqual({ params: '', basis: 1, isRunning: false });
  });

  it('give way to a run of the same name, whose state late reports of the first do not change', async () => {
    const jobs = new ViewJobs();
    const { calls, run } = work();
    const first = jobs.start('preview', { params: 'first', basis: 1 }, run);
    const second = jobs.start('preview', { params: 'second', basis: 2 }, run);
    expect(calls[0]!.options.signal.aborted).toBe(true);
    calls[0]!.options.onProgress(step);
    await first;
    expect(jobs.run('preview', 2)).toEqual({ params: 'second', basis: 2, isRunning: true });
    calls[1]!.end('done');
    await second;
    expect(jobs.run('preview', 2)).toMatchObject({ result: 'done' });
  });
});
