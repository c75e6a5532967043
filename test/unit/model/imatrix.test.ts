import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { QuantscopeError } from '../../../src/model/errors';
import {
  imatrixKeyValues,
  importanceOf,
  readImatrix,
  selectImatrix,
  type Imatrix,
} from '../../../src/model/imatrix';
import { hasSharedData, sharedData, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

const folder = temporaryFolder();

const i32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
const f32 = (values: readonly number[]): Buffer => Buffer.from(new Float32Array(values).buffer);
const text = (value: string): Buffer => Buffer.concat([i32(Buffer.byteLength(value)), Buffer.from(value)]);
const entry = (name: string, calls: number, sums: readonly number[]): Buffer =>
  Buffer.concat([text(name), i32(calls), i32(sums.length), f32(sums)]);
const legacy = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);

interface Sums {
  readonly name: string;
  /** Innermost first. */
  readonly shape: readonly number[];
  readonly values: readonly number[];
  /** ggml type; F32 when absent. */
  readonly type?: number;
}

/** An importance matrix in GGUF. */
function gguf(tensors: readonly Sums[], type = 'imatrix'): Buffer {
  const header = new GgufBytes().start(3, tensors.length, 3);
  header.string('general.type').u32(8).string(type);
  header.string('imatrix.datasets').u32(9).u32(8).u64(2).string('one.txt').string('two.txt');
  header.string('imatrix.chunk_count').u32(4).u32(12);
  tensors.forEach((tensor, i) => header.tensor(tensor.name, tensor.shape, tensor.type ?? 0, 32 * i));
  const data = tensors.map(({ values }) => Buffer.concat([f32(values)], 32));
  return Buffer.concat([header.data(0), ...data]);
}

const twoExperts: readonly Sums[] = [
  { name: 'blk.0.ffn_up_exps.weight.in_sum2', shape: [3, 2], values: [1, 2, 3, 4, 5, 6] },
  { name: 'blk.0.ffn_up_exps.weight.counts', shape: [1, 2], values: [3, 0] },
];

async function failure(bytes: Buffer): Promise<QuantscopeError> {
  const error: unknown = await readImatrix(writeFile(folder, 'damaged', bytes)).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuantscopeError);
  return error as QuantscopeError;
}

describe('readImatrix', () => {
  it('divides the sums of each expert by its count, and gives 1 where there is none', async () => {
    const imatrix = await readImatrix(writeFile(folder, 'two.gguf', gguf(twoExperts)));
    expect(imatrix).toMatchObject({ datasets: ['one.txt', 'two.txt'], chunks: 12 });
    expect([...imatrix.entries]).toEqual([
      ['blk.0.ffn_up_exps.weight', Float32Array.of(1 / 3, 2 / 3, 1, 1, 1, 1)],
    ]);
  });

  it('reads the older format, with and without what it was computed from', async () => {
    const entries = [entry('a.weight', 3, [1, 2]), entry('b.weight', 0, [5])];
    const bare = await readImatrix(writeFile(folder, 'bare.dat', legacy(i32(2), ...entries)));
    expect([...bare.entries]).toEqual([
      ['a.weight', Float32Array.of(1 / 3, 2 / 3)],
      ['b.weight', Float32Array.of(5)], // no calls: taken as they are
    ]);
    expect(bare).toMatchObject({ datasets: [], chunks: 0 });
    const full = legacy(i32(2), ...entries, i32(7), text('wiki.txt'));
    const { datasets, chunks } = await readImatrix(writeFile(folder, 'full.dat', full));
    expect({ datasets, chunks }).toEqual({ datasets: ['wiki.txt'], chunks: 7 });
  });

  it('divides by the number of calls in single precision, as the quantizer does', async () => {
    const calls = 2 ** 24 + 1;
    const path = writeFile(folder, 'many.dat', legacy(i32(1), entry('a', calls, [2 ** 24])));
    expect((await readImatrix(path)).entries.get('a')).toEqual(Float32Array.of(1));
  });

  const one = entry('a.weight', 1, [1, 2]);
  const lies: [string, Buffer, RegExp, number][] = [
    ['an empty file', Buffer.alloc(0), /ends inside/, 0],
    ['no entries', legacy(i32(0)), /no entries/, 0],
    ['a number of entries that no file has', Buffer.from('this is no importance matrix'), /entries is/, 0],
    ['a name longer than names are', legacy(i32(1), i32(1 << 20)), /length of the name/, 4],
    ['more values than bytes', legacy(i32(1), text('a'), i32(1), i32(1000)), /number of values/, 13],
    ['no values', legacy(i32(1), entry('a', 1, [])), /no values/, 13],
    ['a negative number of calls', legacy(i32(1), entry('a', -1, [1])), /calls of a/, 9],
    ['a cut inside the values', legacy(i32(1), one).subarray(0, 24), /ends inside/, 24],
    ['fewer entries than stated', legacy(i32(2), one), /ends inside/, 32],
    ['chunks without a dataset', legacy(i32(1), one, i32(3)), /ends inside/, 36],
    ['an endless dataset', legacy(i32(1), one, i32(3), i32(1 << 30)), /length of the dataset/, 36],
  ];
  it.each(lies)('rejects %s, naming the byte', async (_, bytes, message, offset) => {
    const { code, place, message: said } = await failure(bytes);
    expect(said).toMatch(message);
    expect({ code, offset: place.offset }).toEqual({ code: 'MODEL_FILE', offset });
  });

  const [sums, counts] = twoExperts as [Sums, Sums];
  const ggufLies: [string, Buffer, RegExp][] = [
    ['a model', gguf(twoExperts, 'model'), /not an importance matrix/],
    ['no entries', gguf([{ ...counts, name: 'else' }]), /no entries/],
    ['sums without counts', gguf([sums]), /lacks the counts/],
    ['counts that do not fit', gguf([sums, { ...counts, shape: [1, 3], values: [1, 1, 1] }]), /3 counts/],
    ['halves', gguf([{ ...sums, type: 1 }, counts]), /F16/],
    ['data outside the file', gguf(twoExperts).subarray(0, -32), /outside the file/],
  ];
  it.each(ggufLies)('rejects GGUF with %s', async (_, bytes, message) => {
    const { code, message: said } = await failure(bytes);
    expect(said).toMatch(message);
    expect(code).toBe('MODEL_FILE');
  });

  it.each([NaN, Infinity, -1])('rejects the importance %d, naming tensor and place', async (wrong) => {
    const error = await failure(legacy(i32(1), entry('b.weight', 1, [1, 2, wrong])));
    expect(error.message).toContain('importance 2');
    expect(error.place.tensor).toBe('b.weight');
  });

  it.skipIf(!hasSharedData)('reads a published matrix of the older format', async () => {
    const path = join(sharedData, 'imatrix', 'imatrix.dat');
    const imatrix = await readImatrix(path);
    expect(imatrix).toMatchObject({ datasets: ['imatrix-training-full-3'], chunks: 365 });
    expect(imatrix.entries.size).toBe(154);
    // The first entry's sums, straight from the bytes: 4 + 4 + name + 8 before them.
    const bytes = readFileSync(path);
    const start = 16 + bytes.readInt32LE(4);
    const expected = Float32Array.from({ length: 2048 }, (_, i) => bytes.readFloatLE(start + 4 * i) / 365);
    expect(imatrix.entries.get('blk.21.ffn_up.weight')).toEqual(expected);
  });
});

const imatrix: Imatrix = {
  path: '/somewhere/my.gguf',
  entries: new Map([
    ['blk.0.attn_q.weight', Float32Array.of(1, 2, 3, 4)],
    ['blk.1.attn_q.weight', Float32Array.of(1, 2)],
    ['blk.1.ffn_up.weight', Float32Array.of(1, 2)],
    ['token_embd.weight', Float32Array.of(1)],
  ]),
  datasets: ['one.txt', 'two.txt'],
  chunks: 12,
};

describe('selectImatrix', () => {
  const names = (choice: Parameters<typeof selectImatrix>[1]): string[] => [
    ...selectImatrix(imatrix, choice).entries.keys(),
  ];
  it('takes or leaves entries by parts of their names', () => {
    expect(names({})).toHaveLength(4);
    expect(names({ include: ['blk.1.', 'embd'] })).toEqual([
      'blk.1.attn_q.weight',
      'blk.1.ffn_up.weight',
      'token_embd.weight',
    ]);
    expect(names({ exclude: ['attn_q', 'embd'] })).toEqual(['blk.1.ffn_up.weight']);
    expect(names({ include: ['attn.q'] })).toEqual([]); // text, not a pattern
  });
  it('does not do both', () => {
    expect(() => names({ include: ['a'], exclude: ['b'] })).toThrow(
      'Importance can be either included or excluded by name, not both.',
    );
  });
});

describe('importanceOf', () => {
  it('gives the values of a tensor, and nothing for one without', () => {
    expect(importanceOf(imatrix, 'blk.0.attn_q.weight', 2, 2)).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(importanceOf(imatrix, 'blk.9.attn_q.weight', 2, 2)).toBeUndefined();
  });
  it('rejects a matrix of another model, but for token embeddings', () => {
    expect(() => importanceOf(imatrix, 'blk.0.attn_q.weight', 3, 1)).toThrow(
      'The importance matrix has 4 values, but the tensor needs 3: was it made for this model? (/somewhere/my.gguf, tensor "blk.0.attn_q.weight")',
    );
    expect(importanceOf(imatrix, 'token_embd.weight', 3, 1)).toBeUndefined();
  });
});

describe('imatrixKeyValues', () => {
  it('records what llama-quantize records', () => {
    expect(imatrixKeyValues(imatrix)).toEqual([
      { key: 'quantize.imatrix.file', type: 'string', value: 'my.gguf' },
      { key: 'quantize.imatrix.dataset', type: 'string', value: 'one.txt' },
      { key: 'quantize.imatrix.entries_count', type: 'u32', value: 4 },
      { key: 'quantize.imatrix.chunks_count', type: 'u32', value: 12 },
    ]);
    const bare = imatrixKeyValues({ ...imatrix, datasets: [], chunks: 0 });
    expect(bare.map(({ key }) => key)).toEqual(['quantize.imatrix.file', 'quantize.imatrix.entries_count']);
  });
});
