import { describe, expect, it, vi } from 'vitest';
import { accessVariable, type RemoteAccess } from '../../../src/model/remote/access';
import { RemoteAccessStore, secretKey, type Secrets } from '../../../src/vscode/remote/remoteAccess';
import { pathOfParts, remoteParts } from '../../../src/vscode/remote/remoteParts';

const server = 'https://host.example';

function setUp(kept: Record<string, string> = {}) {
  const secrets: Secrets = {
    get: (key) => Promise.resolve(kept[key]),
    store: (key, value) => Promise.resolve(void (kept[key] = value)),
    delete: (key) => Promise.resolve(void delete kept[key]),
  };
  const renew = vi.fn();
  const failed = vi.fn();
  const store = new RemoteAccessStore(secrets, renew, failed);
  const given = (proxy = ''): RemoteAccess =>
    JSON.parse(store.environment(proxy)[accessVariable]!) as RemoteAccess;
  return { store, kept, renew, failed, secrets, given };
}

describe('access to servers', () => {
  it('is given to new processes of the engine, and kept for the next window', async () => {
    const { store, renew, given, kept } = setUp();
    await store.setToken(server, 'token');
    await store.addQuery(`${server}/m.gguf`, '?Signature=s');
    expect(renew).toHaveBeenCalledTimes(2);
    const access = { queries: { [`${server}/m.gguf`]: '?Signature=s' }, tokens: { [server]: 'token' } };
    expect(given()).toEqual(access);
    expect(given('http://proxy:1')).toEqual({ ...access, proxy: 'http://proxy:1' });
    const next = setUp(kept);
    await next.store.ready;
    expect(next.given()).toEqual(access);
    expect(next.renew).toHaveBeenCalledTimes(1);
  });

  it('is forgotten when it should be', async () => {
    const { store, kept, given } = setUp();
    await store.setToken(server, 'token');
    await store.forget();
    expect(kept).toEqual({});
    expect(given()).toEqual({ queries: {}, tokens: {} });
  });

  it('starts no process again for an address without a query, or the same one', async () => {
    const { store, renew } = setUp();
    await store.addQuery(`${server}/m.gguf`, '');
    expect(renew).not.toHaveBeenCalled();
    await store.addQuery(`${server}/m.gguf`, '?a');
    await store.addQuery(`${server}/m.gguf`, '?a');
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it('keeps the latest signatures only', async () => {
    const { store, given } = setUp();
    for (let i = 0; i < 40; i++) await store.addQuery(`${server}/${i}`, '?s');
    const paths = Object.keys(given().queries!);
    expect(paths).toHaveLength(32);
    expect(paths.at(-1)).toBe(`${server}/39`);
  });

  it('is good for one window where it cannot be kept, and nothing where it is damaged', async () => {
    const broken = setUp();
    broken.secrets.store = () => Promise.reject(new Error('no keyring'));
    await broken.store.setToken(server, 'token');
    expect(broken.given().tokens).toEqual({ [server]: 'token' });
    expect(broken.failed).toHaveBeenCalledTimes(1);
    const damaged = setUp({ [secretKey]: '{"tokens":{"a":1}' });
    await damaged.store.ready;
    expect(damaged.given()).toEqual({ queries: {}, tokens: {} });
  });
});

describe('a document on a server', () => {
  it.each(['https://host:8080/a%20b/m.gguf', 'http://127.0.0.1:1/m.gguf', 'https://h/o/m/resolve/main'])(
    'leads back to its path: %s',
    (path) => expect(pathOfParts(remoteParts(path))).toBe(path),
  );
});
