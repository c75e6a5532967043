import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { maxListedPages } from '../../../../src/model/limits';
import { hubAddress } from '../../../../src/model/remote/address';
import { listRemote } from '../../../../src/model/remote/listing';

afterEach(() => vi.unstubAllEnvs());

it('a list of files that leads to itself ends', async () => {
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    response.writeHead(200, { link: `<?page=${asked}>; rel="next"` }).end('[]');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const list = listRemote(`${hubAddress()}/owner/model/resolve/main`, 'all');
    await expect(list).rejects.toThrow(`has more than ${maxListedPages} pages`);
    expect(asked).toBe(maxListedPages);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it('a list of files leaves out names that lead out of the folder', async () => {
  const entries = ['config.json', 'sub/..', '%2e%2e%2fx.json', 'a b.json'];
  const server = createServer((_, response) => {
    response.writeHead(200).end(JSON.stringify(entries.map((path) => ({ type: 'file', path }))));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const names = await listRemote(`${hubAddress()}/owner/listed/resolve/main`, 'all');
    expect(names).toEqual(['config.json', 'a%20b.json']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
