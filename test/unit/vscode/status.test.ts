import { describe, expect, it } from 'vitest';
import type { RunningJob } from '../../../src/engine/client';
import { statusOf } from '../../../src/vscode/status';

const job = (change: Partial<RunningJob> = {}): RunningJob => ({
  ...{ id: 1, method: 'sensitivity/run', title: 'Sensitivity', cancelling: false },
  ...change,
});
const progress = { message: 'x', done: 12, total: 264, secondsLeft: 2.1 };
const device = {
  chosen: 'cpu',
  label: 'native addon, AVX2',
  refused: [{ device: 'cuda', reason: 'no driver' }],
} as const;

describe('the status bar', () => {
  it.each([
    [[job()], '$(sync~spin) Sensitivity'],
    [[job({ progress })], '$(sync~spin) Sensitivity 12/264, 3 s left'],
    [[job({ progress: { ...progress, unit: 'bytes' } })], '$(sync~spin) Sensitivity 4 %, 3 s left'],
    [[job({ progress, cancelling: true })], '$(sync~spin) Sensitivity: cancelling…'],
    [[job(), job({ id: 2, title: 'Export' })], '$(sync~spin) Sensitivity +1'],
  ])('says which jobs run', (jobs, text) => {
    const status = statusOf(jobs, device, { kind: 'idle' });
    expect([status.text, status.isBusy]).toEqual([text, true]);
    for (const { title } of jobs) expect(status.tooltip).toContain(`- ${title}`);
  });

  it('never spins without one, whatever an editor’s job was', () => {
    const running = { kind: 'running', title: 'Sensitivity' } as const;
    expect(statusOf([], device, running).text).toBe('$(circuit-board) native addon, AVX2');
    expect(statusOf([], undefined, undefined).text).toBe('$(circuit-board) Quantscope');
  });

  it('says that an engine ended, and why a faster device is not used', () => {
    const died = { kind: 'engine-died', title: 'x', message: 'y', resumable: true } as const;
    const { text, tooltip, isBusy } = statusOf([], device, died);
    expect([text, isBusy]).toEqual(['$(error) Quantscope engine ended', false]);
    expect(tooltip).toContain('**cuda** refused: no driver');
  });
});
