import { describe, expect, it, vi } from 'vitest';
import { openModel } from '../../../../src/layouts/openModel';
import { locateModel } from '../../../../src/model/locateModel';
import { OpenModels } from '../../../../src/engine/models';
import { absolutePlace } from '../../../../src/model/place';
import type { ModelDescription } from '../../../../src/protocol/model';
import { sampleFolder, sampleWeights } from '../../../support/files';
import { filesUnder, serveHub, serveRanges, type Behaviour } from '../../../support/rangeServer';

const serveSample = () => serveRanges(filesUnder('/models/sample', sampleFolder));

/** What is the same of a model wherever it lies. */
const same = ({ tensors, metadata, files, dataBytes }: ModelDescription) => ({
  tensors: tensors.map(({ name, dtype, shape, offset }) => ({ name, dtype, shape, offset })),
  hashes: files.map(({ size, headerHash, contentHash }) => ({ size, headerHash, contentHash })),
  ...{ metadata, dataBytes },
});

async function described(place: string): Promise<ModelDescription> {
  const model = await openModel(absolutePlace(place));
  await model.close();
  return model.description;
}

describe('a model on a server', () => {
  it.each(['/models/sample', '/models/sample/', '/models/sample/model.safetensors'])(
    'is that of the same files here: %s',
    async (path) => {
      const server = await serveSample();
      const description = await described(server.address + path);
      expect(same(description)).toEqual(same(await described(sampleFolder)));
      expect(description.name).toBe('sample');
    },
  );

  it.each(['../secret.safetensors', '%2e%2e', '..%2Fsecret.safetensors', '%252e%252e'])(
    'is refused where its index names a file outside of its folder: %s',
    async (shard) => {
      const index = Buffer.from(JSON.stringify({ weight_map: { a: shard } }));
      const files = new Map([
        ['/models/m/model.safetensors.index.json', index],
        ['/models/secret.safetensors', Buffer.from('secret')],
      ]);
      const server = await serveRanges(files);
      await expect(described(`${server.address}/models/m/model.safetensors.index.json`)).rejects.toThrow(
        `The index names the shard ${JSON.stringify(shard)}, which is not a file name.`,
      );
      expect(server.asked.map(({ path }) => path)).not.toContain('/models/secret.safetensors');
      expect(server.asked.every(({ url }) => url.startsWith('/models/m'))).toBe(true);
    },
  );

  it.each<[string, Behaviour]>([
    ['redirects to its page of the folder', { location: '/models/sample/' }],
    ['refuses to list it', { status: 403 }],
  ])('is found in a folder where the server %s', async (_, behaviour) => {
    const server = await serveSample();
    server.behave = ({ path }) => {
      if (path === '/models/sample/') return { json: '<html>' };
      return path === '/models/sample' ? behaviour : undefined;
    };
    expect((await described(`${server.address}/models/sample`)).tensors).toHaveLength(57);
  });

  it('opens where the server refuses access to what it does not have, as servers of objects do', async () => {
    const server = await serveSample();
    server.behave = ({ path }) => (server.files.has(path) ? undefined : { status: 403 });
    const { tensors, warnings } = await described(`${server.address}/models/sample/model.safetensors`);
    expect(tensors).toHaveLength(57);
    expect(warnings).toEqual([]);
  });

  it.each(['/models/sample', '/models/sample/'])(
    'is said to come without ranges where its folder is named: %s',
    async (path) => {
      const server = await serveSample();
      server.behave = ({ path: of }) => (server.files.has(of) ? { whole: true } : undefined);
      await expect(described(server.address + path)).rejects.toMatchObject({
        message: expect.stringMatching(/by ranges only/) as string,
        place: { file: `${server.address}/models/sample/model.safetensors` },
      });
    },
  );

  it('costs its header, its configuration and the samples of its identity', async () => {
    const server = await serveSample();
    await described(`${server.address}/models/sample/model.safetensors`);
    expect(server.sent).toBeLessThan(450 * 1024);
    const ofWeights = server.asked.filter(({ path }) => path.endsWith('/model.safetensors'));
    expect(ofWeights.length).toBeLessThanOrEqual(65);
    expect(server.asked.length - ofWeights.length).toBeLessThan(10);
    expect(server.asked.every(({ range }) => range !== undefined)).toBe(true);
  });

  it('gives the weights of a tensor by their range', async () => {
    const server = await serveSample();
    const local = await openModel(sampleWeights);
    const model = await openModel(`${server.address}/models/sample`);
    const before = server.sent;
    const { name, byteLength } = [...model.description.tensors].sort(
      (a, b) => b.byteLength - a.byteLength,
    )[0]!;
    const bytes = await model.read(model.tensor(name), 0, byteLength);
    expect(Buffer.from(bytes).equals(await local.read(local.tensor(name), 0, byteLength))).toBe(true);
    expect(server.sent - before).toBeLessThan(byteLength + 2 * 4096);
    await Promise.all([model.close(), local.close()]);
  });

  it('has the files beside it, unless its address is signed', async () => {
    const server = await serveSample();
    const address = `${server.address}/models/sample/model.safetensors?X-Amz-Signature=s3cret`;
    const description = await described(address);
    expect(description.metadata.some(({ key }) => key === 'hidden_size')).toBe(false);
    expect(new Set(server.asked.map(({ path }) => path))).toEqual(
      new Set(['/models/sample/model.safetensors']),
    );
    expect(JSON.stringify(description)).not.toContain('s3cret');
  });

  it('is found by any of its shards', async () => {
    const shards = ['a-00001-of-00002.safetensors', 'a-00002-of-00002.safetensors'];
    const header = (name: string) => `{"${name}":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`;
    const bytes = (name: string): Buffer => {
      const text = Buffer.from(header(name));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      return Buffer.concat([length, text, Buffer.alloc(4)]);
    };
    const index = { weight_map: { one: shards[0], two: shards[1] } };
    const server = await serveRanges(
      new Map([
        ...([['/m/model.safetensors.index.json', Buffer.from(JSON.stringify(index))]] as const),
        ...shards.map((name, i) => [`/m/${name}`, bytes(['one', 'two'][i]!)] as const),
      ]),
    );
    for (const path of ['/m', `/m/${shards[1]}`, '/m/model.safetensors.index.json']) {
      const { tensors, files } = await described(server.address + path);
      expect(tensors.map(({ name }) => name)).toEqual(['one', 'two']);
      expect(files.map((file) => file.path)).toContain(`${server.address}/m/${shards[0]}`);
    }
    expect((await locateModel(`${server.address}/m/${shards[0]}`)).file).toBe(
      `${server.address}/m/model.safetensors.index.json`,
    );
  });

  it('that changes is an error once, and opened again by the next request', async () => {
    const server = await serveSample();
    const file = '/models/sample/model.safetensors';
    const models = new OpenModels();
    const { signal } = new AbortController();
    const read = () =>
      models.useUnchanged({ path: server.address + file }, signal, async (model) => {
        const last = model.description.tensors.at(-1)!;
        return (await model.read(last, last.byteLength - 2, 2))[0]!;
      });
    const before = await read();
    const bytes = server.files.get(file)!;
    server.files.set(file, Buffer.from(bytes.map((byte, at) => (at < 8192 ? byte : byte ^ 0xff))));
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
    const tensor = await models.use({ path: server.address + file }, signal, (model) =>
      Promise.resolve([...model.description.tensors].sort((a, b) => b.byteLength - a.byteLength)[0]!),
    );
    await expect(
      models.use({ path: server.address + file }, signal, (model) =>
        model.read(tensor, 0, tensor.byteLength),
      ),
    ).rejects.toThrow(/changed on the server/);
    expect(await read()).toBe(before ^ 0xff);
    vi.useRealTimers();
    await models.close();
  });

  it('never leads to another place', async () => {
    const other = await serveRanges(new Map());
    const index = { weight_map: { one: `${other.address}/x.safetensors` } };
    const server = await serveRanges(
      new Map([['/m/model.safetensors.index.json', Buffer.from(JSON.stringify(index))]]),
    );
    await expect(described(`${server.address}/m/model.safetensors.index.json`)).rejects.toThrow(
      /not a file name/,
    );
    expect(other.asked).toEqual([]);
  });

  it.each([
    ['/models/none', /neither a file of this name nor a folder/],
    ['/models/none/', /does not list its folders.*give the address of a file/],
    ['/models/sample/config.json', /without a "weight_map"/],
  ])('that is none says so: %s', async (path, message) => {
    const server = await serveSample();
    await expect(described(server.address + path)).rejects.toThrow(message);
  });
});

describe('a model of the Hub', () => {
  it('is read with the token, which is not sent to where files are stored', async () => {
    const { hub, store } = await serveHub('owner/model', sampleFolder, 'hf_token');
    vi.stubEnv('HF_ENDPOINT', hub.address);
    await expect(described('hf://owner/model')).rejects.toThrow(/401.*HF_TOKEN.*restricted/s);
    vi.stubEnv('HF_TOKEN', 'hf_token');
    for (const place of ['hf://owner/model', `${hub.address}/owner/model/blob/main/model.safetensors`]) {
      const description = await described(place);
      expect(same(description)).toEqual(same(await described(sampleFolder)));
      expect(JSON.stringify(description)).not.toContain('secret');
    }
    expect(store.asked.length).toBeGreaterThan(0);
    expect(store.asked.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    // What the list does not name is not asked for.
    expect(hub.asked.some(({ path }) => path.includes('params.json'))).toBe(false);
    vi.unstubAllEnvs();
  });
});
