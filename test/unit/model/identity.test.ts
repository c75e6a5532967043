import { createHash } from 'node:crypto';
import { cpSync, readFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../src/model/byteSource';
import { contentHash } from '../../../src/model/contentHash';
import { contentKey, modelHash } from '../../../src/model/identity';
import { openModel } from '../../../src/layouts/openModel';
import type { ModelDescription, TensorDescriptor } from '../../../src/protocol/model';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

async function describeModel(path: string): Promise<ModelDescription> {
  const model = await openModel(path);
  await model.close();
  return model.description;
}

/** A copy of the sample whose weights at a share of the file are others. */
function checkpoint(name: string, change?: (weights: Buffer) => void): string {
  const folder = join(temporaryFolder(), name);
  cpSync(sampleFolder, folder, { recursive: true });
  const file = join(folder, 'model.safetensors');
  const bytes = readFileSync(file);
  change?.(bytes);
  writeFileSync(file, bytes);
  return folder;
}

describe('the identity of a model', () => {
  it('distinguishes checkpoints of one layout', async () => {
    const [a, b] = [
      await describeModel(checkpoint('checkpoint-100')),
      await describeModel(
        checkpoint('checkpoint-200', (bytes) => {
          for (let i = bytes.length / 2; i < bytes.length; i += 64) bytes[i]! ^= 1;
        }),
      ),
    ];
    expect(a.files[0]!.headerHash).toBe(b.files[0]!.headerHash);
    expect(modelHash(a)).not.toBe(modelHash(b));
    expect(contentKey(a)).not.toBe(contentKey(b));
  });

  it('sees a change in the small tensors alone', async () => {
    const original = await describeModel(checkpoint('a'));
    const norms = original.tensors.filter(({ name }) => name.includes('norm'));
    const changed = checkpoint('b', (bytes) => {
      for (const { offset, byteLength } of norms)
        for (let i = offset; i < offset + byteLength; i += 2) bytes[i]! ^= 1;
    });
    expect(modelHash(await describeModel(changed))).not.toBe(modelHash(original));
  });

  it('is the same elsewhere and under another name', async () => {
    const original = checkpoint('a');
    const copy = checkpoint('b');
    renameSync(join(copy, 'model.safetensors'), join(copy, 'weights.sft'));
    expect(modelHash(await describeModel(copy))).toBe(modelHash(await describeModel(original)));
  });

  it('of kept results changes with the configuration and when weights are written', async () => {
    const folder = checkpoint('a');
    const before = await describeModel(folder);
    const config = join(folder, 'config.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace('10000', '20000'));
    const configured = await describeModel(folder);
    expect(modelHash(configured)).toBe(modelHash(before));
    expect(contentKey(configured)).not.toBe(contentKey(before));
    utimesSync(join(folder, 'model.safetensors'), new Date(), new Date(Date.now() + 5000));
    expect(contentKey(await describeModel(folder))).not.toBe(contentKey(configured));
  });

  it('tells split GGUF models apart that differ in a later part', async () => {
    const part = (no: number, fill: number): Buffer => {
      const u16 = (value: number): Buffer => Buffer.of(value, 0);
      const header = new GgufBytes().start(3, 1, 3);
      header.string('split.no').u32(2).raw(u16(no));
      header.string('split.count').u32(2).raw(u16(2));
      header.string('split.tensors.count').u32(5).u32(2);
      return Buffer.concat([header.tensor(`t${no}`, [64], 0, 0).data(0), Buffer.alloc(256, fill)]);
    };
    const hashOf = async (fill: number): Promise<string> => {
      const folder = temporaryFolder();
      const path = writeFile(folder, 'm-00001-of-00002.gguf', part(0, 1));
      writeFile(folder, 'm-00002-of-00002.gguf', part(1, fill));
      return modelHash(await describeModel(path));
    };
    expect(await hashOf(2)).toBe(await hashOf(2));
    expect(await hashOf(3)).not.toBe(await hashOf(2));
  });
});

describe('the hash of a GGUF header', () => {
  /** A header with arrays that are skipped, of more and of less than a window. */
  const headerOf = (scores: number): Buffer => {
    const header = new GgufBytes().start(3, 1, 3);
    header.string('tokenizer.ggml.tokens').u32(9).u32(8).u64(30_000);
    for (let i = 0; i < 30_000; i++) header.string(`token ${i}`);
    header
      .string('tokenizer.ggml.scores')
      .u32(9)
      .u32(6)
      .u64(scores)
      .raw(Buffer.alloc(4 * scores, 7));
    header.string('general.name').u32(8).string('x');
    return header.tensor('t', [8], 0, 0).bytes();
  };

  it.each([1_000, 100_000, 3_000_000])('covers exactly the header, with %d scores', async (scores) => {
    const header = headerOf(scores);
    const padding = Buffer.alloc((32 - (header.length % 32)) % 32);
    const path = writeFile(temporaryFolder(), 'x.gguf', Buffer.concat([header, padding, Buffer.alloc(32)]));
    expect((await describeModel(path)).files[0]!.headerHash).toBe(
      createHash('sha256').update(header).digest('hex'),
    );
  });

  it('is not computed for what cannot be a header', async () => {
    const header = new GgufBytes()
      .start(3, 0, 1)
      .string('k')
      .u32(9)
      .u32(0)
      .u64(2 ** 31)
      .bytes();
    const folder = temporaryFolder();
    const path = writeFile(folder, 'x.gguf', header);
    truncateSync(path, 2 ** 31 + 1000);
    await expect(openModel(path)).rejects.toThrow(/header has \d+ bytes; at most 1073741824/);
  });
});

describe('samples of weights', () => {
  const tensor = (offset: number, byteLength: number): TensorDescriptor => ({
    ...{ name: `t${offset}`, dtype: 'F32', shape: [byteLength / 4], elements: byteLength / 4 },
    ...{ file: 'x', offset, byteLength, readable: true },
  });

  async function readsOf(tensors: readonly TensorDescriptor[], size: number, files: number) {
    const reads: [number, number][] = [];
    const source: ByteSource = {
      ...{ path: 'x', size, mtimeMs: 0 },
      read: (offset, length) => {
        reads.push([offset, length]);
        return Promise.resolve(new Uint8Array(length));
      },
      readInto: () => Promise.reject(new Error('samples are read')),
      close: () => Promise.resolve(),
    };
    await contentHash(source, { tensors }, files);
    return reads;
  }

  const large = Array.from({ length: 500 }, (_, i) => tensor(1000 + i * 80_000_000, 80_000_000));
  const end = 1000 + 500 * 80_000_000;

  it('are few and small, spread over 40 GB', async () => {
    const reads = await readsOf(large, end, 1);
    expect(reads).toHaveLength(64);
    expect(reads.reduce((sum, [, length]) => sum + length, 0)).toBe(64 * 4096);
    for (let quarter = 0; quarter < 4; quarter++)
      expect(
        reads.filter(([offset]) => Math.floor((4 * (offset - 1000)) / (end - 1000)) === quarter).length,
      ).toBeGreaterThan(10);
  });

  it('are shared by the files of a model', async () => {
    expect(await readsOf(large, end, 8)).toHaveLength(8);
    expect(await readsOf(large, end, 1000)).toHaveLength(1);
  });

  it('stay inside the data that is there', async () => {
    const size = 90_000_000;
    for (const [offset, length] of await readsOf(large, size, 1)) {
      expect(offset).toBeGreaterThanOrEqual(1000);
      expect(offset + length).toBeLessThanOrEqual(size);
      expect(length).toBeGreaterThan(0);
    }
    expect(await readsOf([tensor(100, 8)], 108, 1)).toEqual([[100, 8]]);
    expect(await readsOf([], 100, 1)).toEqual([]);
  });
});
