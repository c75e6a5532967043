import { describe, expect, it } from 'vitest';
import type { Fault, VerifyResult } from '../../../src/protocol/verify';
import type { VerificationState } from '../../../src/protocol/editorState';
import { Verification } from '../../../src/vscode/verification';
import { FakeEngine, FakeLog, settle } from '../../support/fakeHost';

const model = { path: '/m.gguf' };
const fault: Fault = { kind: 'bytes', file: '/m.gguf', tensor: 'a', message: 'Bytes differ.' };
const resultOf = (faults: readonly Fault[], digests: 'checked' | 'missing' = 'checked'): VerifyResult => ({
  ...{ path: '/m.gguf', files: [{ file: '/m.gguf', bytes: 9, tensors: 1, digests }] },
  ...{ tensors: 1, checkedBytes: 9, faults, omitted: 0, damaged: [], notes: [], seconds: 0 },
});

function setUp(readsOnOpening = true) {
  const [engine, log, life] = [new FakeEngine(), new FakeLog(), new AbortController()];
  const states: VerificationState[] = [];
  const hooks = {
    readsOnOpening: () => readsOnOpening,
    shown: (state: VerificationState) => states.push(state),
  };
  const verification = new Verification(() => model, engine, log, hooks, life.signal);
  const call = { signal: new AbortController().signal, onProgress: () => undefined };
  return { engine, log, life, states, verification, call };
}

describe('a model that opens', () => {
  it('has its headers checked, then its weights, and shows what was found', async () => {
    const { engine, states, verification } = setUp();
    const opened = verification.opened();
    await engine.last('model/verifyHeaders').answer(resultOf([]));
    const { params, options } = engine.last('model/verify');
    expect(params).toEqual(model);
    const progress = { message: 'a', done: 4, total: 9 };
    options.onProgress!(progress);
    await engine.last('model/verify').answer(resultOf([fault]));
    await opened;
    expect(states).toEqual([
      { kind: 'done', result: resultOf([]), isQuick: true },
      { kind: 'checking', progress },
      { kind: 'done', result: resultOf([fault]), isQuick: false },
    ]);
    expect(verification.current).toEqual(states[2]);
  });

  it('is not read where it has no digests, or the user has switched that off', async () => {
    for (const [digests, reads] of [
      ['missing', true],
      ['checked', false],
    ] as const) {
      const { engine, states, verification } = setUp(reads);
      const opened = verification.opened();
      await engine.last('model/verifyHeaders').answer(resultOf([], digests));
      await opened;
      expect(engine.of('model/verify')).toEqual([]);
      expect(states).toHaveLength(digests === 'missing' ? 0 : 1);
    }
  });

  it('logs why it could not be checked, and nothing once it is closed', async () => {
    const { engine, log, verification, life } = setUp();
    const failed = verification.opened();
    await engine.last('model/verifyHeaders').fail('MODEL_FILE', 'It is torn.');
    await failed;
    expect(log.lines).toEqual(['The digests were not checked: It is torn.']);
    const closed = verification.opened();
    life.abort();
    await closed;
    expect(log.lines).toHaveLength(1);
    expect(engine.last('model/verifyHeaders').options.signal!.aborted).toBe(true);
  });
});

describe('a check that the user asks for', () => {
  it('takes the place of the one at opening; a cancelled one shows what was known before', async () => {
    const { engine, states, verification, call } = setUp();
    const opened = verification.opened();
    await engine.last('model/verifyHeaders').answer(resultOf([fault]));
    const cancel = new AbortController();
    const run = verification.run({ ...call, signal: cancel.signal });
    await opened;
    const [first, second] = engine.of('model/verify');
    expect([first!.options.signal!.aborted, second!.options.signal!.aborted]).toEqual([true, false]);
    second!.options.onProgress!({ message: 'a', done: 1, total: 9 });
    cancel.abort();
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(states.map(({ kind }) => kind)).toEqual(['done', 'checking', 'done']);
    expect(verification.current).toEqual(states[0]);
  });

  it('shows what was found at opening when it is cancelled, also where it stopped the check at opening midway', async () => {
    const { engine, verification, call } = setUp();
    const opened = verification.opened();
    await engine.last('model/verifyHeaders').answer(resultOf([fault]));
    engine.last('model/verify').options.onProgress!({ message: 'a', done: 1, total: 9 });
    const cancel = new AbortController();
    const run = verification.run({ ...call, signal: cancel.signal });
    await opened;
    engine.last('model/verify').options.onProgress!({ message: 'a', done: 2, total: 9 });
    cancel.abort();
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(verification.current).toEqual({ kind: 'done', result: resultOf([fault]), isQuick: true });
  });

  it('leaves nothing to show when it is cancelled and nothing was known', async () => {
    const { engine, verification, call } = setUp();
    const cancel = new AbortController();
    const run = verification.run({ ...call, signal: cancel.signal });
    engine.last('model/verify').options.onProgress!({ message: 'a', done: 1, total: 9 });
    cancel.abort();
    await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(verification.current).toBeUndefined();
  });

  it('is forgotten when the files change', async () => {
    const { engine, verification, call } = setUp();
    const run = verification.run(call);
    const refused = expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
    verification.reset();
    await settle();
    await refused;
    expect(verification.current).toBeUndefined();
    expect(engine.last('model/verify').options.signal!.aborted).toBe(true);
  });
});
