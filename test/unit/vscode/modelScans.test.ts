import { describe, expect, it, vi } from 'vitest';
import type { ModelScan } from '../../../src/protocol/modelScan';
import type { ScanActivity } from '../../../src/protocol/modelScanView';
import { ModelScans } from '../../../src/vscode/modelScans';
import { FakeEngine, FakeLog, settle } from '../../support/fakeHost';

const model = { path: '/m.gguf' };
const settings = { format: 'Q4_K' };
const params = { ...model, ...settings, cacheDir: '/kept' };
const scan = { tensors: 2, names: ['a'] } as unknown as ModelScan;
const progress = { message: 'a', done: 1, total: 2, unit: 'bytes' } as const;

function setUp() {
  const [engine, log, life] = [new FakeEngine(), new FakeLog(), new AbortController()];
  const told: (ScanActivity | number)[] = [];
  const hooks = {
    activity: (activity: ScanActivity) => told.push(activity),
    figures: (revision: number) => told.push(revision),
  };
  const scans = new ModelScans(() => model, engine, log, '/kept', hooks, life.signal);
  return { engine, log, life, told, scans };
}

describe('scans of a model', () => {
  it('tell how far they are and that there are figures, which a page then asks for', async () => {
    const { engine, told, scans } = setUp();
    const run = scans.run(settings);
    expect(engine.last('model/scan').params).toEqual(params);
    engine.last('model/scan').options.onProgress!(progress);
    const asked = scans.figures(settings, new AbortController().signal);
    await engine.last('model/scanned').answer(scan);
    expect(await asked).toEqual({ revision: 1, activity: { kind: 'running', settings, progress }, scan });
    await engine.last('model/scan').answer(scan);
    await run;
    expect(told).toEqual([
      ...[{ kind: 'running', settings }, { kind: 'running', settings, progress }, 1],
      ...[{ kind: 'idle' }, 2],
    ]);
  });

  it('tell of further figures at most every two seconds, and less often where reading them takes long', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const { engine, told, scans } = setUp();
    const run = scans.run({});
    const { onProgress } = engine.last('model/scan').options;
    for (let i = 0; i < 50; i++) {
      onProgress!(progress);
      vi.advanceTimersByTime(100);
    }
    const revisions = (): unknown[] => told.filter((item) => typeof item === 'number');
    expect(revisions()).toEqual([1, 2, 3]);
    // Figures of so many tensors that reading them takes a second are read every ten.
    const asked = scans.figures({}, new AbortController().signal);
    vi.advanceTimersByTime(1_000);
    await engine.last('model/scanned').answer(scan);
    await asked;
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(100);
      onProgress!(progress);
    }
    expect(revisions()).toEqual([1, 2, 3, 4]);
    vi.useRealTimers();
    await engine.last('model/scan').answer(scan);
    await run;
  });

  it('run one at a time', async () => {
    const { scans } = setUp();
    void scans.run(settings);
    await expect(scans.run({})).rejects.toThrow('already being scanned');
  });

  it('that are cancelled say so and keep what they finished; another one continues', async () => {
    const { engine, log, told, scans } = setUp();
    const run = scans.run(settings);
    scans.cancel();
    await run;
    expect(told.slice(-2)).toEqual([{ kind: 'cancelled', settings }, 1]);
    expect(log.lines).toEqual([]);
    void scans.run(settings);
    expect(engine.of('model/scan')).toHaveLength(2);
  });

  it('that fail say why', async () => {
    const { engine, log, told, scans } = setUp();
    const run = scans.run(settings);
    await engine.last('model/scan').fail('ENGINE_DIED', 'The engine process ended.');
    await run;
    expect(told.slice(-2)).toEqual([{ kind: 'failed', settings, message: 'The engine process ended.' }, 1]);
    expect(log.lines).toEqual(['Scan: The engine process ended.']);
    expect(engine.forgiven).toBe(1);
  });

  it('end when the files change, and a late result of the old ones is not shown', async () => {
    const { engine, told, scans } = setUp();
    scans.reset();
    expect(told).toEqual([]); // nothing was scanned yet
    const run = scans.run(settings);
    scans.reset();
    expect(engine.last('model/scan').options.signal!.aborted).toBe(true);
    const before = told.length;
    expect(told.slice(-2)).toEqual([{ kind: 'idle' }, 1]);
    await engine.last('model/scan').answer(scan);
    await run;
    expect(told).toHaveLength(before);
  });

  it('end with the model', async () => {
    const { engine, life, told, scans } = setUp();
    void scans.run(settings);
    life.abort();
    expect(engine.last('model/scan').options.signal!.aborted).toBe(true);
    await settle();
    expect(told).toEqual([{ kind: 'running', settings }]);
  });
});
