import { describe, expect, it } from 'vitest';
import type { RunningJob } from '../../../src/engine/client';
import { jobText, statusOf } from '../../../src/vscode/status';

const job = (change: Partial<RunningJob> = {}): RunningJob => ({
  ...{ id: 1, method: 'sensitivity/run', title: 'Sensitivity', cancelling: false },
  ...change,
});
const progress = { message: 'x', done: 12, total: 264, secondsLeft: 2.1 };
const device = {
  chosen: 'cpu',
  label: 'native addon, AVX2',
  refused: [
    { device: 'cuda', reason: 'no driver' },
    { device: 'webgpu', reason: 'no adapter' },
  ],
} as const;
const about = [
  'Quantscope computes on **native addon, AVX2**.',
  ...['', '- **cuda** rejected: no driver', '- **webgpu** rejected: no adapter', '', 'Click to choose.'],
].join('\n');
const unknown = 'Quantscope detects the device when a model is opened.\n\nClick to choose.';

describe('the text of a job', () => {
  it.each<[Partial<RunningJob>, string]>([
    [{}, 'Sensitivity'],
    [{ progress }, 'Sensitivity 12/264, 3 s left'],
    [{ progress: { message: 'x', done: 12, total: 264 } }, 'Sensitivity 12/264'],
    [{ progress: { ...progress, unit: 'bytes' } }, 'Sensitivity 4 %, 3 s left'],
    [{ progress: { ...progress, done: 0, total: 0 } }, 'Sensitivity'], // nothing is known yet
    [{ progress, cancelling: true }, 'Sensitivity: cancelling…'],
  ])('of %j', (change, text) => {
    expect(jobText(job(change))).toBe(text);
  });
});

describe('the status bar', () => {
  it('says which jobs run', () => {
    expect(statusOf([job({ progress })], device, { kind: 'idle' })).toEqual({
      text: '$(sync~spin) Sensitivity 12/264, 3 s left',
      tooltip: '- Sensitivity 12/264, 3 s left\n\nClick to cancel.',
      isBusy: true,
    });
    const others = ['Export', 'Evaluation'].map((title, i) => job({ id: i + 2, title }));
    expect(statusOf([job(), ...others], device, undefined)).toEqual({
      text: '$(sync~spin) Sensitivity +2',
      tooltip: '- Sensitivity\n- Export\n- Evaluation\n\nClick to cancel.',
      isBusy: true,
    });
  });

  it('never spins without one, whatever the editor’s job was', () => {
    const running = { kind: 'running', title: 'Sensitivity' } as const;
    expect(statusOf([], device, running)).toEqual({
      ...{ text: '$(circuit-board) native addon, AVX2', tooltip: about, isBusy: false },
    });
    expect(statusOf([], undefined, undefined)).toEqual({
      ...{ text: '$(circuit-board) Quantscope', tooltip: unknown, isBusy: false },
    });
  });

  it('says that an engine ended, and why a faster device is not used', () => {
    const died = { kind: 'engine-died', title: 'x', message: 'y', resumable: true } as const;
    expect(statusOf([], device, died)).toEqual({
      ...{ text: '$(error) Quantscope engine ended', tooltip: about, isBusy: false },
    });
  });
});
