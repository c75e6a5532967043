import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openSource } from '../../../../src/model/place';
import { accessVariable, registerAddress, tokenFor } from '../../../../src/model/remote/access';
import { serveRanges } from '../../../support/rangeServer';

afterEach(() => vi.unstubAllEnvs());

describe('a token', () => {
  it.each([
    ['https://huggingface.co/o/m/resolve/main/a', 'hub'],
    ['https://host.example/a', 'other'],
    ['http://127.0.0.1:8080/a', 'other'],
    ['http://host.example/a', undefined],
    ['https://kept.example/a', 'kept'],
    ['https://kept.example:444/a', 'other'],
  ])('for %s is %s', (path, token) => {
    vi.stubEnv('HF_TOKEN', 'hub');
    vi.stubEnv('QUANTSCOPE_TOKEN', 'other');
    vi.stubEnv(accessVariable, JSON.stringify({ tokens: { 'https://kept.example': 'kept' } }));
    expect(tokenFor(path)).toBe(token);
  });

  it('is not sent with an address that is a key itself', () => {
    vi.stubEnv('QUANTSCOPE_TOKEN', 'other');
    expect(tokenFor(registerAddress('https://host.example/signed?Signature=s'))).toBeUndefined();
  });
});

describe('a proxy', () => {
  it('of the owner of the process is used for all requests', async () => {
    const server = await serveRanges(new Map([['/m.gguf', Buffer.from('GGUF')]]));
    const asked: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      asked.push(request.url ?? '');
      const target = connect(Number(new URL(server.address).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    vi.stubEnv(accessVariable, JSON.stringify({ proxy: address }));
    const path = server.address.replace('127.0.0.1', 'models.example');
    expect((await openSource(`${path}/m.gguf`)).size).toBe(4);
    expect(asked).toEqual([new URL(path).host]);
    proxy.closeAllConnections();
    proxy.close();
  });
});
