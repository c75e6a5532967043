import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeImatrix, type CollectedImatrix, type ImatrixSums } from '../../../src/exporter/writeImatrix';
import { openFileSource } from '../../../src/model/byteSource';
import { QuantscopeError } from '../../../src/model/errors';
import { readGguf } from '../../../src/model/gguf';
import { readImatrix } from '../../../src/model/imatrix';
import { hasSharedData, sharedData, temporaryFolder, writeFile } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();
const sums = (values: number[], ...counts: number[]): ImatrixSums => ({
  sums: Float64Array.from(values),
  counts: Float64Array.from(counts),
});
const collected = (entries: Record<string, ImatrixSums>, rest: object = {}): CollectedImatrix => ({
  entries: new Map(Object.entries(entries)),
  dataset: 'some text.txt',
  chunks: 3,
  chunkSize: 512,
  ...rest,
});

const random = new Random(5);
/** Experts of which one was never used, and a plain matrix; not in the order of their names. */
const sample = collected({
  'blk.1.ffn_up_exps.weight': sums(
    Array.from({ length: 4 * 33 }, (_, i) => (i >= 33 && i < 66 ? 0 : random.normal() ** 2 * 1000)),
    700,
    0,
    835,
    1,
  ),
  'blk.0.attn_k.weight': sums(
    Array.from({ length: 77 }, () => random.normal() ** 2),
    1536,
  ),
});

/** What a reader makes of it: mean squares, 1 for experts without rows. */
function means({ sums: totals, counts }: ImatrixSums): Float32Array {
  const columns = totals.length / counts.length;
  return Float32Array.from(totals, (total, i) => {
    const count = counts[Math.floor(i / columns)]!;
    return count > 0 ? Math.fround(total) / count : 1;
  });
}

describe('a written importance matrix', () => {
  it('is read from GGUF as it was collected', async () => {
    const path = join(folder, 'written.gguf');
    const bytes = await writeImatrix(path, sample);
    expect(readFileSync(path)).toHaveLength(bytes);
    const read = await readImatrix(path);
    expect([...read.entries.keys()]).toEqual(['blk.0.attn_k.weight', 'blk.1.ffn_up_exps.weight']);
    for (const [name, entry] of sample.entries) expect(read.entries.get(name)).toEqual(means(entry));
    expect(read).toMatchObject({ datasets: ['some text.txt'], chunks: 3 });
  });

  it('is read from the older format to its precision', async () => {
    const path = join(folder, 'written.dat');
    const bytes = await writeImatrix(path, sample);
    expect(readFileSync(path)).toHaveLength(bytes);
    const read = await readImatrix(path);
    expect([...read.entries.keys()]).toEqual(['blk.0.attn_k.weight', 'blk.1.ffn_up_exps.weight']);
    for (const [name, entry] of sample.entries) {
      const values = read.entries.get(name)!;
      means(entry).forEach((mean, i) => expect(Math.abs(values[i]! - mean)).toBeLessThanOrEqual(2e-7 * mean));
    }
    expect(read).toMatchObject({ datasets: ['some text.txt'], chunks: 3 });
  });

  it('lists experts before columns, with their counts', async () => {
    const path = join(folder, 'shapes.gguf');
    await writeImatrix(path, sample);
    const source = await openFileSource(path);
    const { tensors } = await readGguf(source);
    await source.close();
    expect(tensors.map(({ name, dtype, shape }) => [name, dtype, ...shape])).toEqual([
      ['blk.0.attn_k.weight.in_sum2', 'F32', 77],
      ['blk.0.attn_k.weight.counts', 'F32', 1],
      ['blk.1.ffn_up_exps.weight.in_sum2', 'F32', 4, 33],
      ['blk.1.ffn_up_exps.weight.counts', 'F32', 4, 1],
    ]);
  });

  it('has, in the older format, the calls of the busiest expert and mean squares times calls', async () => {
    const path = join(folder, 'calls.dat');
    const entries = { b: sums([8, 16, 3, 5], 4, 0), a: sums([0, 0], 0), '': sums([1025], 1025) };
    await writeImatrix(path, collected(entries, { chunkSize: 2, dataset: 'é', chunks: 9 }));
    const expected = Buffer.concat([
      Buffer.from(Int32Array.of(2, 0, 513, 1).buffer),
      Buffer.from(Float32Array.of(513).buffer),
      Buffer.from(Int32Array.of(1).buffer),
      Buffer.from('b'),
      Buffer.from(Int32Array.of(2, 4).buffer),
      Buffer.from(Float32Array.of(4, 8, 2, 2).buffer),
      Buffer.from(Int32Array.of(9, 2).buffer),
      Buffer.from('é'),
    ]);
    expect(readFileSync(path).equals(expected)).toBe(true);
  });
});

describe.skipIf(!hasSharedData)('the file that llama-imatrix wrote', () => {
  it('is written again, byte for byte, from its own sums and counts', async () => {
    const theirs = join(sharedData, 'imatrix-sample', 'imatrix.gguf');
    const source = await openFileSource(theirs);
    const { tensors, metadata } = await readGguf(source);
    const values = new Map<string, Float64Array>();
    for (const { name, offset, byteLength } of tensors) {
      const bytes = (await source.read(offset, byteLength)).slice();
      values.set(name, Float64Array.from(new Float32Array(bytes.buffer)));
    }
    await source.close();
    const names = tensors.map(({ name }) => name).filter((name) => name.endsWith('.in_sum2'));
    const entries = names.reverse().map((name): [string, ImatrixSums] => {
      const tensor = name.slice(0, -'.in_sum2'.length);
      return [tensor, { sums: values.get(name)!, counts: values.get(`${tensor}.counts`)! }];
    });
    const number = (key: string): number => Number(metadata.get(key)!.scalar);
    const ours = join(folder, 'again.gguf');
    await writeImatrix(ours, {
      entries: new Map(entries),
      dataset: (await readImatrix(theirs)).datasets[0]!,
      chunks: number('imatrix.chunk_count'),
      chunkSize: number('imatrix.chunk_size'),
    });
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
  });
});

describe('what cannot be written', () => {
  const one = sums([1, 2], 1);

  it.each<[string, string, CollectedImatrix, RegExp]>([
    ['another extension', 'a.bin', collected({ one }), /must be written to a \.gguf or \.dat file/],
    ['no entries', 'a.gguf', collected({}), /has no entries/],
    ['experts that do not fit', 'a.dat', collected({ w: sums([1, 2, 3], 1, 1) }), /3 sums .* 2 experts.*w/],
    ['no sums', 'a.gguf', collected({ w: sums([], 1) }), /0 sums/],
    ['a NaN', 'a.gguf', collected({ w: sums([1, NaN], 1) }), /Sum 1 is NaN.*w/],
    ['a sum that float32 has not', 'a.dat', collected({ w: sums([1e39], 1) }), /Sum 0 is 1e\+39/],
    ['a negative sum', 'a.dat', collected({ w: sums([-1], 1) }), /Sum 0 is -1/],
    ['half a row', 'a.gguf', collected({ w: sums([1], 0.5) }), /Count 0 is 0\.5/],
    ['no inputs at all', 'a.dat', collected({ w: sums([0], 0) }), /No entry .* has any inputs/],
    ['half a chunk', 'a.dat', collected({ one }, { chunks: 0.5 }), /0\.5 chunks of 512 tokens/],
    ['chunks of nothing', 'a.gguf', collected({ one }, { chunkSize: 0 }), /3 chunks of 0 tokens/],
    [
      'a name that ggml cuts',
      'a.gguf',
      collected({ ['w'.repeat(56)]: one }),
      /at most 63 bytes.*www\.in_sum2/,
    ],
    ['a name that is not read', 'a.dat', collected({ ['w'.repeat(65_536)]: one }), /A name has 65536 bytes/],
  ])('%s is rejected, and no file is left', async (_, name, imatrix, message) => {
    const path = join(folder, name);
    const error: unknown = await writeImatrix(path, imatrix).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(QuantscopeError);
    expect(error).toMatchObject({ code: 'REQUEST', place: { file: path } });
    expect((error as Error).message).toMatch(message);
    expect(existsSync(path)).toBe(false);
  });

  it('an existing file stays unchanged', async () => {
    const path = writeFile(folder, 'kept.dat', 'older');
    await expect(writeImatrix(path, collected({ w: sums([0], 0) }))).rejects.toThrow('No entry');
    expect(readFileSync(path, 'utf8')).toBe('older');
  });
});
