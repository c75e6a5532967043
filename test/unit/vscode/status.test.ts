import { describe, expect, it } from 'vitest';
import type { RunningJob } from '../../../src/engine/client';
import { deviceStatus, jobText, jobsStatus } from '../../../src/vscode/status';

const job = (change: Partial<RunningJob> = {}): RunningJob => ({
  ...{ id: 1, method: 'sensitivity/run', title: 'Sensitivity', cancelling: false },
  ...change,
});
const progress = { message: 'x', done: 12, total: 264, secondsLeft: 2.1 };
const device = {
  chosen: 'cpu',
  label: 'native addon, AVX2',
  refused: [
    { device: 'cuda', reason: 'no <b>driver</b>' },
    { device: 'webgpu', reason: 'no adapter' },
  ],
} as const;
const about = [
  'Quantscope computes on **native addon, AVX2**.',
  ...[
    '',
    '- **cuda** rejected: no \\<b\\>driver\\</b\\>',
    '- **webgpu** rejected: no adapter',
    '',
    'Click to choose.',
  ],
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

const cancelLink = (id: number): string => `command:cancel?${id}`;

describe('the status bar', () => {
  it('says which jobs run, each with a link that cancels it', () => {
    expect(jobsStatus([job({ progress })], cancelLink)).toEqual({
      text: '$(sync~spin) Sensitivity 12/264, 3 s left',
      tooltip: '- Sensitivity 12/264, 3 s left [Cancel](command:cancel?1)\n\nClick to show the jobs.',
    });
    const others = ['Export', 'Evaluation'].map((title, i) => job({ id: i + 2, title }));
    const status = jobsStatus([job(), ...others.slice(0, 1), job({ id: 3, cancelling: true })], cancelLink)!;
    expect(status.text).toBe('$(sync~spin) Sensitivity +2');
    expect(status.tooltip.split('\n').slice(1, 3)).toEqual([
      '- Export [Cancel](command:cancel?2)',
      '- Sensitivity: cancelling…',
    ]);
  });

  it('shows titles from names of files as text, without links and icons', () => {
    const { text, tooltip } = jobsStatus([job({ title: 'Export $(x) [a](command:b).gguf' })], cancelLink)!;
    expect(text).toBe('$(sync~spin) Export \\$(x) [a](command:b).gguf');
    expect(tooltip).toContain('\\[a\\](command:b).gguf');
  });

  it('has no jobs without one, whatever the editor’s job was', () => {
    const running = { kind: 'running', title: 'Sensitivity' } as const;
    expect(jobsStatus([], cancelLink)).toBeUndefined();
    expect(deviceStatus(device, running)).toEqual({
      ...{ text: '$(circuit-board) native addon, AVX2', tooltip: about },
    });
    expect(deviceStatus(undefined, undefined)).toEqual({
      ...{ text: '$(circuit-board) Quantscope', tooltip: unknown },
    });
  });

  it('says that an engine ended, and why a faster device is not used', () => {
    const died = { kind: 'engine-died', title: 'x', message: 'y', resumable: true } as const;
    expect(deviceStatus(device, died)).toEqual({
      ...{ text: '$(error) Quantscope engine ended', tooltip: about },
    });
  });
});
