import { describe, expect, it } from 'vitest';
import type { EvaluationActivity } from '../../../src/protocol/webview';
import { EvaluationSession } from '../../../src/vscode/evaluationSession';
import { FakeEngine, FakeLog } from '../../support/fakeHost';

function setUp(stored: () => [] = () => []) {
  const engine = new FakeEngine({ 'evaluation/stored': stored });
  const session = new EvaluationSession('/m.gguf', engine, new FakeLog(), '/cache');
  const shown: EvaluationActivity[] = [];
  session.onEvent((event) => {
    if (event.name === 'evaluation') shown.push(event.payload);
  });
  return { engine, session, shown };
}
const settings = { text: '/t.txt', device: 'cpu' } as const;

describe('an evaluation', () => {
  it('runs under its title, tells its curve and ends with its result', async () => {
    const { engine, session, shown } = setUp();
    const run = session.evaluate(settings, 'Q4_K_M on t.txt');
    const call = engine.last('evaluation/run');
    expect(call.options.title).toBe('Q4_K_M on t.txt');
    const curve = [{ windows: 1, perplexity: 8 }];
    call.options.onProgress!({ message: '', done: 1, total: 2, curve: curve as never });
    await call.answer({ id: 'x' });
    expect(await run).toEqual({ id: 'x' });
    expect(shown.at(-1)).toMatchObject({ curve, outcome: { kind: 'evaluated', id: 'x' } });
  });

  it('is a success even where the list of results cannot be read', async () => {
    const { engine, session } = setUp(() => {
      throw new Error('unreadable');
    });
    const run = session.evaluate(settings, 'x');
    await engine.last('evaluation/run').answer({ id: 'x' });
    await run;
    expect(session.activity!.outcome).toEqual({ kind: 'evaluated', id: 'x' });
  });

  it.each([
    ['ENGINE_DIED', 'engine-died'],
    ['REQUEST', 'failed'],
  ] as const)('that ends with %s is shown as "%s" and can be repeated', async (code, kind) => {
    const { engine, session } = setUp();
    const run = session.evaluate(settings, 'x');
    await engine.last('evaluation/run').fail(code, 'why');
    expect(await run).toBeUndefined();
    expect(session.activity!.outcome).toEqual({ kind, message: 'why' });
    const again = session.repeat();
    expect(engine.of('evaluation/run').map(({ params }) => params)).toEqual(
      Array(2).fill({ path: '/m.gguf', cacheDir: '/cache', ...settings }),
    );
    session.cancel();
    await again;
    expect(session.activity!.outcome).toEqual({ kind: 'cancelled' });
  });

  it('is the only one of its model', async () => {
    const { session } = setUp();
    const run = session.evaluate(settings, 'x');
    await expect(session.calibrate({ ...settings, out: '/i.gguf' }, 'y')).rejects.toThrow(
      /is already running/,
    );
    session.dispose();
    expect(await run).toBeUndefined();
  });
});
