import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openSource } from '../../../../src/model/place';
import { registerAddress } from '../../../../src/model/remote/access';
import { serveRanges, type Asked, type Behaviour, type RangeServer } from '../../../support/rangeServer';

const mebi = 1024 * 1024;

/** A server with a file of its own, so that nothing is known of it. */
async function serveFile(size: number, behave?: RangeServer['behave']) {
  const content = randomBytes(size);
  const server = await serveRanges(new Map([['/model.gguf', content]]));
  if (behave) server.behave = behave;
  return { server, content, path: `${server.address}/model.gguf` };
}

const once =
  (behaviour: Behaviour, at = 0) =>
  (_: Asked, before: number) =>
    before === at ? behaviour : undefined;

async function failureOf(behaviour: Behaviour): Promise<string> {
  const { path } = await serveFile(3 * mebi, () => behaviour);
  return openSource(path).then(
    () => 'opened',
    (error: Error) => error.message,
  );
}

describe('a remote file', () => {
  it('gives exactly the bytes that are asked for', async () => {
    const { content, path, server } = await serveFile(3 * mebi);
    const source = await openSource(path);
    expect(source.size).toBe(content.length);
    for (const [offset, length] of [
      ...[
        [0, 8],
        [70_000, 100],
        [4095, 2],
        [65_530, 12],
        [2 * mebi, 300_000],
        [content.length - 5, 5],
        [17, 0],
      ],
      [100, 2 * mebi],
    ] as const)
      expect(
        Buffer.from(await source.read(offset, length)).equals(content.subarray(offset, offset + length)),
      ).toBe(true);
    await expect(source.read(content.length - 1, 2)).rejects.toThrow(/outside the file/);
    for (const { headers } of server.asked) expect(headers['accept-encoding']).toBe('identity');
  });

  it('is read in one request where reads are neighbours or were made before', async () => {
    const { server, path } = await serveFile(3 * mebi);
    const source = await openSource(path);
    expect(server.asked).toHaveLength(1);
    await source.read(0, 60_000);
    expect(server.asked).toHaveLength(1);
    await Promise.all([
      source.read(mebi, 100),
      source.read(mebi + 9000, 100),
      source.read(mebi + 20_000, 100),
    ]);
    expect(server.asked).toHaveLength(2);
    await source.read(mebi + 15_000, 5000);
    expect(server.asked).toHaveLength(2);
    // Isolated reads cost the pages that they touch.
    const before = server.sent;
    await source.read(2 * mebi, 4096);
    expect(server.sent - before).toBe(4096);
  });

  it('that lies elsewhere is asked for there, as long as that answers', async () => {
    const { server, content } = await serveFile(20 * mebi, ({ path: asked }) =>
      asked === '/latest' ? { location: '/model.gguf' } : undefined,
    );
    const source = await openSource(`${server.address}/latest`);
    const read = async (): Promise<void> => {
      const bytes = await source.read(mebi, 18 * mebi);
      expect(Buffer.compare(bytes, content.subarray(mebi, 19 * mebi))).toBe(0);
    };
    const redirections = (): number => server.asked.filter(({ path }) => path === '/latest').length;
    await read();
    expect(redirections()).toBe(1);
    let isEnded = true;
    server.behave = ({ path }) =>
      path === '/latest' ? { location: '/model.gguf' } : isEnded ? { status: 403 } : undefined;
    await expect(read()).rejects.toThrow(/403/);
    isEnded = false;
    await read();
  });

  it('that is read in order is read ahead', async () => {
    const { server, path } = await serveFile(3 * mebi);
    const source = await openSource(path);
    for (let at = 0; at < 2 * mebi; at += 4096) await source.read(at, 4096);
    expect(server.asked.length).toBeLessThan(10);
  });

  it('of no bytes, or of fewer than a request gets, is whole', async () => {
    const empty = await serveFile(0);
    expect((await openSource(empty.path)).size).toBe(0);
    const small = await serveFile(500, () => ({ whole: true }));
    const source = await openSource(small.path);
    expect(Buffer.from(await source.read(0, 500)).equals(small.content)).toBe(true);
  });

  it('resumes at the byte where a response was cut off', async () => {
    const { server, content, path } = await serveFile(3 * mebi, (_, before) =>
      before % 2 === 1 && before < 6 ? { cut: 300_000 } : undefined,
    );
    const source = await openSource(path);
    const bytes = await source.read(1000, 2 * mebi);
    expect(Buffer.from(bytes).equals(content.subarray(1000, 1000 + 2 * mebi))).toBe(true);
    expect(server.asked[2]?.range).toMatch(/^bytes=(?!1000-)\d+-2098151$/);
  });

  it.each([429, 500, 503])(
    'is asked for again after HTTP status %i, when the server wants it',
    async (status) => {
      const { content, path } = await serveFile(500, once({ status, headers: { 'retry-after': '0' } }));
      const source = await openSource(path);
      expect(Buffer.from(await source.read(0, 500)).equals(content)).toBe(true);
    },
  );

  it('is not waited for longer than a minute', async () => {
    expect(await failureOf({ status: 503, headers: { 'retry-after': '3600' } })).toMatch(/503/);
  });

  it.each<[string, Behaviour, RegExp]>([
    ['without ranges', { whole: true }, /whole file instead of the bytes/],
    [
      'with another range',
      { contentRange: `bytes 10-65545/${3 * mebi}` },
      /sends bytes 10 to 65546 instead of 0 to 65536/,
    ],
    ['without a size', { contentRange: 'bytes 0-65535/*' }, /does not say which bytes/],
    ['in another encoding', { headers: { 'content-encoding': 'gzip' } }, /another encoding \(gzip\)/],
    ['that nobody knows', { status: 401 }, /401.*QUANTSCOPE_TOKEN/],
    ['that is refused', { status: 403 }, /403.*presigned/],
    ['that is absent', { status: 404 }, /no such file.*404/],
    ['that redirects for ever', { location: '/model.gguf' }, /redirects more than 5 times/],
    ['that redirects to a file', { location: 'file:///etc/passwd' }, /not https/],
    ['with more bytes than stated', { body: Buffer.alloc(70_000) }, /more bytes than it says/],
  ])('%s is an error', async (_, behaviour, message) => {
    expect(await failureOf(behaviour)).toMatch(message);
  });

  it.each(['localhost', '127.0.0.1'])(
    'of a server that is not there names it and the reason: %s',
    async (host) => {
      await expect(openSource(`http://${host}:9/m.gguf`)).rejects.toThrow(
        new RegExp(`${host}:9 cannot be reached: .*ECONNREFUSED`),
      );
    },
  );

  it('whose answer is no range is not downloaded', async () => {
    const { server, path } = await serveFile(3 * mebi, () => ({ whole: true }));
    await expect(openSource(path)).rejects.toThrow(/by ranges only/);
    expect(server.asked).toHaveLength(1);
  });

  it('that changes between reads is an error, and new when it is opened again', async () => {
    const { server, path } = await serveFile(3 * mebi);
    const source = await openSource(path);
    server.files.set('/model.gguf', Buffer.alloc(3 * mebi, 7));
    await expect(source.read(mebi, 10)).rejects.toThrow(/changed on the server/);
    expect(await (await openSource(path)).read(mebi, 1)).toEqual(Uint8Array.of(7));
  });

  it('whose size changes is an error whatever its tag is', async () => {
    const { server, path } = await serveFile(3 * mebi, () => ({ tag: '"same"' }));
    const source = await openSource(path);
    server.files.set('/model.gguf', Buffer.alloc(3 * mebi + 1));
    await expect(source.read(mebi, 10)).rejects.toThrow(/changed on the server/);
  });

  it('is asked for where the server redirected to, until that address ends', async () => {
    const { server, content, path } = await serveFile(3 * mebi);
    server.files.set('/store', content);
    let ended = false;
    server.behave = ({ path: asked }) => {
      if (asked === '/model.gguf') return { location: '/store?signed' };
      return ended ? ((ended = false), { status: 403 }) : undefined;
    };
    const source = await openSource(path);
    await source.read(mebi, 10);
    expect(server.asked.map((asked) => asked.path)).toEqual(['/model.gguf', '/store', '/store']);
    ended = true;
    await source.read(2 * mebi, 10);
    expect(server.asked.slice(3).map((asked) => asked.path)).toEqual(['/store', '/model.gguf', '/store']);
  });

  it('is not waited for after its reader is cancelled', async () => {
    const { path } = await serveFile(3 * mebi, (_, before) => (before === 0 ? undefined : { wait: 60_000 }));
    const source = await openSource(path);
    for (const length of [100, 2 * mebi]) {
      const controller = new AbortController();
      const read = source.read(mebi, length, controller.signal);
      setTimeout(() => controller.abort(), 20);
      await expect(read).rejects.toMatchObject({ code: 'CANCELLED' });
    }
  });
});

describe('a signed address', () => {
  it('is sent to its server, and is no part of the path or of messages', async () => {
    const { server, path } = await serveFile(500, () => ({ status: 403 }));
    expect(registerAddress(`${path}?X-Amz-Signature=s3cret`)).toBe(path);
    const message = await openSource(path).catch((error: Error) => error.message);
    expect(server.asked[0]?.url).toBe('/model.gguf?X-Amz-Signature=s3cret');
    expect(message).toContain(path);
    expect(message).not.toContain('s3cret');
    expect(() => registerAddress(`${path}?X-Amz-Signature=other`)).toThrow(/differ only/);
  });
});
