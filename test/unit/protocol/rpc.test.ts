import { describe, expect, it } from 'vitest';
import { Rpc, type Channel, type Handlers } from '../../../src/protocol/rpc';

type Requests = {
  add: { params: { a: number; b: number }; result: number };
  slow: { params: { name: string }; result: string; progress: { done: number } };
  nothing: { params: Record<string, never>; result: void };
};
type Events = { changed: { value: number } };
type None = Record<never, never>;
type Page = Rpc<None, Events, Requests, None>;
type Host = Rpc<Requests, None, None, Events>;

/** Both directions of a panel's channel, as JSON; what is posted waits until `deliver`. */
class Panel {
  private readonly waiting: { to: 'page' | 'host'; text: string }[] = [];
  private readonly listeners = {
    page: new Set<(m: unknown) => void>(),
    host: new Set<(m: unknown) => void>(),
  };

  end(own: 'page' | 'host'): Channel {
    const to = own === 'page' ? 'host' : 'page';
    return {
      post: (message) => this.waiting.push({ to, text: JSON.stringify(message) }),
      onMessage: (listener) => {
        this.listeners[own].add(listener);
        return { dispose: () => this.listeners[own].delete(listener) };
      },
    };
  }

  /** Hands over everything that was posted, and what follows from it. */
  async deliver(): Promise<void> {
    await turn();
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      for (const listener of [...this.listeners[next.to]]) listener(JSON.parse(next.text));
      await turn();
    }
  }

  get traffic(): string[] {
    return this.waiting.map(({ text }) => (JSON.parse(text) as { rpc: string }).rpc);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A handler whose requests are answered by the test. */
class Slow {
  readonly requests: {
    name: string;
    signal: AbortSignal;
    progress: (step: { done: number }) => void;
    answer: (text: string) => void;
  }[] = [];
  readonly handler: Handlers<Requests>['slow'] = ({ name }, { signal, progress }) =>
    new Promise((answer) => this.requests.push({ name, signal, progress, answer }));
}

function setUp() {
  const panel = new Panel();
  const slow = new Slow();
  const heard: number[] = [];
  const handlers: Handlers<Requests> = {
    add: ({ a, b }) => a + b,
    slow: slow.handler,
    nothing: () => {
      throw Object.assign(new Error('There is nothing.'), { code: 'EMPTY' });
    },
  };
  const host: Host = new Rpc(panel.end('host'), handlers);
  const openPage = (epoch: string): Page =>
    new Rpc(panel.end('page'), {}, { changed: ({ value }) => heard.push(value) }, epoch);
  return { panel, slow, heard, host, openPage };
}

/** How a call ended, or "pending". */
function outcome(call: Promise<unknown>): { is: unknown } {
  const state: { is: unknown } = { is: 'pending' };
  call.then(
    (result) => (state.is = result),
    (error: { code: string; message: string }) => (state.is = `${error.code}: ${error.message}`),
  );
  return state;
}

describe('requests', () => {
  it('are answered with the result, to the call that they belong to', async () => {
    const { panel, openPage } = setUp();
    const page = openPage('a');
    const sums = [page.call('add', { a: 1, b: 2 }), page.call('add', { a: 10, b: 20 })].map(outcome);
    await panel.deliver();
    expect(sums.map(({ is }) => is)).toEqual([3, 30]);
  });

  it('carry what JSON cannot hold', async () => {
    const { panel, openPage, host, heard } = setUp();
    const sum = outcome(openPage('a').call('add', { a: Infinity, b: -Infinity }));
    await panel.deliver();
    expect(sum.is).toBeNaN();
    host.notify('changed', { value: -Infinity });
    await panel.deliver();
    expect(heard).toEqual([-Infinity]);
  });

  it('are rejected with the handler’s message and code, and without a handler', async () => {
    const { panel, openPage } = setUp();
    const page = openPage('a');
    const failed = outcome(page.call('nothing', {}));
    const unknown = outcome(page.call('toString' as 'nothing', {}));
    await panel.deliver();
    expect(failed.is).toBe('EMPTY: There is nothing.');
    expect(unknown.is).toBe('UNKNOWN_METHOD: No handler for "toString".');
  });

  it('are rejected with what was thrown, also where it has no code or is not an error', async () => {
    const { panel } = setUp();
    const thrown: unknown[] = [
      new Error('Without a code.'),
      'a text',
      Object.assign(new Error('Odd.'), { code: 7 }),
    ];
    const host: Host = new Rpc(panel.end('host'), {
      add: () => {
        throw thrown.shift();
      },
    } as unknown as Handlers<Requests>);
    const page: Page = new Rpc(panel.end('page'), {}, {}, 'own');
    const calls = [1, 2, 3].map(() => outcome(page.call('add', { a: 1, b: 1 })));
    await panel.deliver();
    expect(calls.map(({ is }) => is)).toEqual([
      ...['INTERNAL: Without a code.', 'INTERNAL: a text', 'INTERNAL: Odd.'],
    ]);
    host.dispose();
  });

  it('of a host without a page are rejected at once', async () => {
    const host: Rpc<None, None, Requests, None> = new Rpc(new Panel().end('host'), {});
    await expect(host.call('add', { a: 1, b: 1 })).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('report progress until they are answered', async () => {
    const { panel, slow, openPage } = setUp();
    const steps: number[] = [];
    const call = outcome(
      openPage('a').call('slow', { name: 'x' }, { onProgress: ({ done }) => steps.push(done) }),
    );
    await panel.deliver();
    slow.requests[0]!.progress({ done: 1 });
    slow.requests[0]!.progress({ done: 2 });
    slow.requests[0]!.answer('end');
    await panel.deliver();
    slow.requests[0]!.progress({ done: 3 });
    await panel.deliver();
    expect([call.is, steps]).toEqual(['end', [1, 2]]);
  });
});

describe('cancelling', () => {
  it('rejects the call at once, fires the handler’s signal and drops the late answer', async () => {
    const { panel, slow, openPage } = setUp();
    const page = openPage('a');
    const controller = new AbortController();
    const call = outcome(page.call('slow', { name: 'x' }, { signal: controller.signal }));
    const other = outcome(page.call('slow', { name: 'y' }));
    await panel.deliver();
    controller.abort();
    await turn();
    expect(call.is).toBe('CANCELLED: The request was cancelled.');
    await panel.deliver();
    expect(slow.requests.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    slow.requests[0]!.answer('late');
    slow.requests[1]!.answer('in time');
    await turn();
    expect(panel.traffic).toEqual(['result']);
    await panel.deliver();
    expect(other.is).toBe('in time');
  });

  it('sends nothing for a signal that has fired already, or fires after the answer', async () => {
    const { panel, openPage } = setUp();
    const page = openPage('a');
    const before = outcome(page.call('add', { a: 1, b: 1 }, { signal: AbortSignal.abort() }));
    const controller = new AbortController();
    const after = outcome(page.call('add', { a: 1, b: 1 }, { signal: controller.signal }));
    await panel.deliver();
    controller.abort();
    await turn();
    expect([before.is, after.is]).toEqual(['CANCELLED: The request was cancelled.', 2]);
    expect(panel.traffic).toEqual([]);
  });
});

describe('a page that is loaded again', () => {
  it('never gets the answer that an earlier page asked for', async () => {
    const { panel, slow, openPage } = setUp();
    const old = openPage('old');
    outcome(old.call('slow', { name: 'of the old file' }));
    outcome(old.call('slow', { name: 'also of the old file' }));
    await panel.deliver();
    const fresh = openPage('fresh'); // ids begin again
    const call = outcome(fresh.call('slow', { name: 'of the new file' }));
    slow.requests[0]!.answer('old answer'); // posted before the new page has spoken
    await panel.deliver();
    expect(call.is).toBe('pending');
    expect(slow.requests.map(({ name, signal }) => [name, signal.aborted])).toEqual([
      ['of the old file', false], // it was answered
      ['also of the old file', true],
      ['of the new file', false],
    ]);
    slow.requests[1]!.answer('another old answer');
    slow.requests[2]!.answer('new answer');
    await panel.deliver();
    expect(call.is).toBe('new answer');
  });

  it('is not replaced by late messages of the old one', async () => {
    const { panel, slow, heard, host, openPage } = setUp();
    const old = openPage('old');
    await old.call('slow', { name: 'x' }, { signal: AbortSignal.abort() }).catch(() => undefined);
    const oldSum = outcome(old.call('add', { a: 1, b: 1 }));
    await panel.deliver();
    const fresh = openPage('fresh');
    outcome(fresh.call('slow', { name: 'y' }));
    await panel.deliver();
    outcome(old.call('slow', { name: 'late' }));
    await panel.deliver();
    expect(slow.requests.map(({ name, signal }) => [name, signal.aborted])).toEqual([['y', false]]);
    old.dispose();
    host.notify('changed', { value: 5 });
    await panel.deliver();
    expect([oldSum.is, heard]).toEqual([2, [5]]);
  });

  it('receives only messages meant for it', async () => {
    const { panel, heard, host, openPage } = setUp();
    host.notify('changed', { value: 1 }); // nobody is there
    const old = openPage('old');
    outcome(old.call('add', { a: 1, b: 1 }));
    await panel.deliver();
    host.notify('changed', { value: 2 }); // for the old page, on its way when that goes
    old.dispose();
    openPage('fresh');
    await panel.deliver();
    expect(heard).toEqual([]);
  });
});

describe('late and unknown messages', () => {
  it('are dropped by either end', async () => {
    const { panel, slow, heard, openPage } = setUp();
    const page = openPage('a');
    const call = outcome(page.call('slow', { name: 'x' })); // without a listener for its progress
    await panel.deliver();
    slow.requests[0]!.progress({ done: 1 });
    const epoch = 'a';
    const toPage = panel.end('host');
    for (const rpc of ['result', 'error', 'progress']) toPage.post({ rpc, epoch, id: 99, message: 'late' });
    toPage.post({ rpc: 'event', epoch, name: 'unheard', payload: 1 });
    toPage.post({ rpc: 'event', epoch: 7, name: 'changed', payload: { value: 1 } });
    panel.end('page').post({ rpc: 'cancel', epoch, id: 99 });
    await panel.deliver();
    slow.requests[0]!.answer('in time');
    await panel.deliver();
    expect([call.is, heard]).toEqual(['in time', []]);
  });

  it('of an old page leave the request of the same id alone', async () => {
    const { panel, slow, openPage } = setUp();
    outcome(openPage('old').call('slow', { name: 'old' }));
    await panel.deliver();
    const controller = new AbortController();
    outcome(openPage('fresh').call('slow', { name: 'fresh' }, { signal: controller.signal }));
    await panel.deliver();
    slow.requests[0]!.answer('late'); // its end must not forget the other
    await panel.deliver();
    controller.abort();
    await panel.deliver();
    expect(slow.requests.map(({ name, signal }) => [name, signal.aborted])).toEqual([
      ['old', true],
      ['fresh', true],
    ]);
  });
});

describe('closing', () => {
  it('settles what is pending and ends what runs', async () => {
    const { panel, slow, host, openPage } = setUp();
    const page = openPage('a');
    const call = outcome(page.call('slow', { name: 'x' }));
    await panel.deliver();
    page.dispose();
    host.dispose();
    await turn();
    expect(call.is).toBe('DISPOSED: The other end was closed.');
    expect(slow.requests[0]!.signal.aborted).toBe(true);
    slow.requests[0]!.answer('late');
    host.notify('changed', { value: 1 });
    await turn();
    expect(panel.traffic).toEqual([]);
    await expect(page.call('add', { a: 1, b: 1 })).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('ignores messages that are not its own', async () => {
    const { panel, heard, openPage } = setUp();
    openPage('a');
    const foreign = panel.end('host');
    for (const message of [
      null,
      'text',
      { type: 'x' },
      { rpc: 'event', name: 'changed', payload: { value: 1 } },
    ])
      foreign.post(message);
    await panel.deliver();
    expect(heard).toEqual([]);
  });
});
