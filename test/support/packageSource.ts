import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll } from 'vitest';

/** How the source behaves; a test changes what it needs. */
export interface Behaviour {
  /** Size and digest that it states; the package's own by default. */
  bytes?: number;
  sha512?: string;
  algorithm?: string;
  /** HTTP status of the package. */
  status?: number;
  /** Bytes after which the connection ends. */
  cut?: number;
  /** No content-length. */
  chunked?: boolean;
  /** Milliseconds between chunks of a hundredth of the package. */
  pause?: number;
  /** Does not list the files of the package. */
  unlisted?: boolean;
  /** Unpacked bytes that it states of each file. */
  entryBytes?: number;
  /** Address that the package is said to have. */
  url?: string;
}

export interface PackageSource {
  /** Address of its index. */
  readonly index: string;
  readonly behaviour: Behaviour;
  /** Paths that were asked for. */
  readonly asked: string[];
  readonly archive: Buffer;
  readonly sha512: string;
}

/** A server on this machine that speaks NuGet's protocol and has one package. */
export async function servePackage(
  id: string,
  version: string,
  files: ReadonlyMap<string, Buffer>,
): Promise<PackageSource> {
  const archive = zip(files);
  const sha512 = createHash('sha512').update(archive).digest('base64');
  const behaviour: Behaviour = {};
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const host = `http://${request.headers.host}`;
    const name = id.toLowerCase();
    const json: Record<string, unknown> = {
      '/index.json': { resources: [{ '@id': `${host}/reg/`, '@type': 'RegistrationsBaseUrl/3.6.0' }] },
      [`/reg/${name}/${version}.json`]: {
        catalogEntry: `${host}/catalog.json`,
        packageContent: behaviour.url ?? `${host}/moved`,
      },
      '/catalog.json': {
        packageHash: behaviour.sha512 ?? sha512,
        packageHashAlgorithm: behaviour.algorithm ?? 'SHA512',
        packageSize: behaviour.bytes ?? archive.length,
        ...(behaviour.unlisted ? {} : { packageEntries: entriesOf(files, behaviour) }),
      },
    };
    if (path in json) {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(JSON.stringify(json[path])));
    } else if (path === '/moved') response.writeHead(302, { location: '/package.nupkg' }).end();
    else if (path === '/package.nupkg') void sendArchive(response, archive, behaviour);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { index: `http://127.0.0.1:${port}/index.json`, behaviour, asked, archive, sha512 };
}

async function sendArchive(response: ServerResponse, archive: Buffer, behaviour: Behaviour): Promise<void> {
  const { status = 200, cut = archive.length, chunked, pause } = behaviour;
  response.writeHead(status, chunked ? {} : { 'content-length': archive.length });
  const step = pause === undefined ? archive.length : Math.ceil(archive.length / 100);
  for (let start = 0; start < cut && !response.destroyed; start += step) {
    response.write(archive.subarray(start, Math.min(cut, start + step)));
    await new Promise((resolve) => setTimeout(resolve, pause ?? 0));
  }
  if (cut === archive.length || chunked) response.end();
  else response.destroy();
}

const entriesOf = (files: ReadonlyMap<string, Buffer>, { entryBytes }: Behaviour): unknown[] =>
  [...files].map(([fullName, bytes]) => ({ fullName, length: entryBytes ?? bytes.length }));

/** A zip archive, by its specification: local headers with data, central directory, end record. */
function zip(files: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const packed = deflateRawSync(bytes);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version
    common.writeUInt16LE(8, 4); // deflate
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, tail, Buffer.from(name));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(files.size, 8);
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}
