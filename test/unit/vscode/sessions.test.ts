import { describe, expect, it } from 'vitest';
import { Sessions } from '../../../src/vscode/sessions';
import { fakeContext, settle } from '../../support/fakeHost';
import { setUpSession } from '../../support/sessionSetUp';

function setUp() {
  const { context, engine } = fakeContext({}, '/cache');
  const sessions = new Sessions(context);
  const active: (string | undefined)[] = [];
  sessions.onActive((session) => active.push(session?.path));
  return { engine, sessions, active };
}

describe('sessions', () => {
  it('are one for each model, however often it is asked for', () => {
    const { sessions } = setUp();
    const [a, b] = [sessions.get('/a'), sessions.get('/b')];
    expect([sessions.get('/a'), sessions.get('/b')]).toEqual([a, b]);
    expect(a).not.toBe(b);
    const alone = sessions.get('/a', true);
    expect([a, alone].map(({ key, ref }) => [key, ref])).toEqual([
      ['/a', { path: '/a' }],
      ['/a (alone)', { path: '/a', alone: true }],
    ]);
    expect(sessions.all()).toEqual([a, b, alone]);
  });

  it('tell which one is active; closing another one changes nothing', () => {
    const { sessions, active } = setUp();
    const [a, b] = [sessions.get('/a'), sessions.get('/b')];
    expect(sessions.active).toBeUndefined();
    sessions.activate(a);
    sessions.activate(b);
    sessions.release('/a');
    sessions.release('/c');
    expect([sessions.active, active]).toEqual([b, ['/a', '/b']]);
    sessions.release('/b');
    expect([sessions.active, active]).toEqual([undefined, ['/a', '/b', undefined]]);
  });

  it('end with the window, and their requests with them', async () => {
    const { engine, sessions, active } = setUp();
    const session = sessions.get('/a');
    sessions.activate(session);
    const loading = expect(session.load()).rejects.toMatchObject({ code: 'CANCELLED' });
    sessions.dispose();
    await loading;
    expect(engine.last('model/open').options.signal!.aborted).toBe(true);
    expect([sessions.all(), sessions.active]).toEqual([[], undefined]);
    sessions.activate(session);
    expect(active).toEqual(['/a', undefined]);
  });

  it('cancel whatever they asked for when they end', async () => {
    const { engine, sessions, session } = setUpSession();
    await session.load();
    await settle();
    sessions.release(session.key);
    const left = engine.calls.filter(({ options }) => options.signal?.aborted !== true);
    expect(engine.calls.map(({ method }) => method)).toEqual([
      ...[
        'model/open',
        'formats/list',
        'sensitivity/stored',
        'device/probe',
        'model/verifyHeaders',
        'plan/beside',
      ],
    ]);
    expect(left.map(({ method }) => method)).toEqual(['device/probe']); // it is of all models
  });
});
