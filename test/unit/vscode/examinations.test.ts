import { describe, expect, it } from 'vitest';
import type { DoctorFinding, DoctorResult } from '../../../src/protocol/doctor';
import { Examinations } from '../../../src/vscode/doctor/examinations';
import { FakeEngine, FakeLog, settle } from '../../support/fakeHost';

const model = { path: '/m/a.safetensors' };
const found = (code: string, rest: Partial<DoctorFinding> = {}): DoctorFinding => ({
  ...{ code, severity: 'error', message: code, file: model.path, ...rest },
});
const resultOf = (...findings: DoctorFinding[]): DoctorResult => ({
  ...{ path: model.path, findings, omitted: 0, checkedBytes: 9, notes: [], written: [], seconds: 0 },
});
const header = found('tensor/missing');
const weights = found('values/nan', { weights: true });

function setUp() {
  const [engine, log] = [new FakeEngine(), new FakeLog()];
  const shown: string[][] = [];
  const watched = new Set<(file: string) => void>();
  const examinations = new Examinations(engine, log, {
    shown: (_, findings) => shown.push(findings.map(({ code }) => code)),
    watch: (_, changed) => {
      watched.add(changed);
      return { dispose: () => watched.delete(changed) };
    },
  });
  const written = (file: string): void => watched.forEach((changed) => changed(file));
  const call = { signal: new AbortController().signal, onProgress: () => undefined };
  return { engine, log, shown, watched, written, examinations, call };
}

describe('a model that opens', () => {
  it('has its headers examined, again whenever a file is written, and is forgotten with its editor', async () => {
    const { engine, shown, watched, written, examinations } = setUp();
    void examinations.opened(model);
    expect(engine.last('model/doctorHeaders').params).toEqual(model);
    await engine.last('model/doctorHeaders').answer(resultOf(header));
    written('/m/config.json');
    await engine.last('model/doctorHeaders').answer(resultOf());
    expect(shown).toEqual([['tensor/missing'], []]);
    expect(engine.calls.map(({ method }) => method)).toEqual(Array(2).fill('model/doctorHeaders'));
    examinations.closed(model.path);
    expect([watched.size, shown.at(-1)]).toEqual([0, []]);
  });

  it('shows the answer to the latest state of its files only', async () => {
    const { engine, shown, written, examinations } = setUp();
    void examinations.opened(model);
    const first = engine.last('model/doctorHeaders');
    written('/m/config.json');
    expect(first.options.signal!.aborted).toBe(true);
    await first.answer(resultOf(header));
    await engine.last('model/doctorHeaders').answer(resultOf());
    expect(shown).toEqual([[]]);
  });

  it('is no occasion for a notice where it cannot be examined', async () => {
    const { engine, log, shown, examinations } = setUp();
    const opened = examinations.opened(model);
    await engine.last('model/doctorHeaders').fail('REQUEST', 'No.');
    await opened;
    expect([shown, log.lines.length]).toEqual([[], 1]);
  });
});

describe('an examination that somebody asks for', () => {
  it('shows what is wrong with weights until their file is written, also without an editor', async () => {
    const { engine, shown, written, examinations, call } = setUp();
    const run = examinations.run(model, call);
    await engine.last('model/doctor').answer(resultOf(header, weights));
    expect((await run).findings).toHaveLength(2);
    examinations.closed(model.path);
    written('/m/config.json');
    await engine.last('model/doctorHeaders').answer(resultOf());
    written(model.path);
    await engine.last('model/doctorHeaders').answer(resultOf());
    expect(shown).toEqual([['tensor/missing', 'values/nan'], ['values/nan'], []]);
  });

  it('shows nothing that was found in a file before it was written', async () => {
    const { engine, shown, written, examinations, call } = setUp();
    const run = examinations.run(model, call);
    written(model.path);
    await engine.last('model/doctor').answer(resultOf(header, weights));
    await engine.last('model/doctorHeaders').answer(resultOf());
    await run;
    expect(shown).toEqual([[]]);
  });

  it('rejects where it is cancelled, and leaves what is shown', async () => {
    const { shown, watched, examinations, call } = setUp();
    const controller = new AbortController();
    const run = examinations.run(model, { ...call, signal: controller.signal });
    controller.abort();
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect([shown, watched.size]).toEqual([[], 0]);
  });

  it('is repeated after a fix', async () => {
    const { engine, shown, examinations } = setUp();
    const fix = examinations.fix(model, 'index/wrong-shard');
    expect(engine.last('model/doctorHeaders').params).toEqual({
      ...{ ...model, only: ['index/wrong-shard'], fix: true },
    });
    await engine.last('model/doctorHeaders').answer(resultOf());
    await engine.last('model/doctorHeaders').answer(resultOf(header));
    await fix;
    await settle();
    expect(shown).toEqual([['tensor/missing']]);
  });
});
