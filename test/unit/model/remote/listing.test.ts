import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { openModel } from '../../../../src/layouts/openModel';
import { maxListedPages } from '../../../../src/model/limits';
import { locateModel } from '../../../../src/model/locateModel';
import { exists } from '../../../../src/model/place';
import { serveRanges } from '../../../support/rangeServer';
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

it('a list of the Hub is not awaited by a request that is cancelled, but by the others', async () => {
  let answer: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const server = createServer((_, response) => {
    void asked.then(() => response.end(JSON.stringify([{ type: 'file', path: 'config.json' }])));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const folder = `${hubAddress()}/owner/slow/resolve/main`;
    const stop = new AbortController();
    const cancelled = listRemote(folder, 'all', stop.signal);
    const awaited = listRemote(folder, 'all');
    stop.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    answer();
    expect(await awaited).toEqual(['config.json']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it('a server that lists nothing is asked for no further names after the list is cancelled', async () => {
  const server = await serveRanges(new Map([['/m/config.json', Buffer.from('{}')]]));
  const stop = new AbortController();
  server.behave = () => {
    stop.abort();
    return undefined;
  };
  await expect(listRemote(`${server.address}/m`, 'all', stop.signal)).rejects.toMatchObject({
    code: 'CANCELLED',
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.asked.length).toBeLessThanOrEqual(8); // those that were asked at once
});

it.each([
  ['is looked for', (place: string, signal: AbortSignal) => exists(place, signal)],
  ['is located', (place: string, signal: AbortSignal) => locateModel(place, signal)],
  ['is opened', (place: string, signal: AbortSignal) => openModel(place, signal)],
])(
  'a file of a server that does not answer is not waited for once it is cancelled while it %s',
  async (_, ask) => {
    const stop = new AbortController();
    const server = createServer(() => stop.abort());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const place = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m/model.safetensors`;
      await expect(ask(place, stop.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
);
