import { describe, expect, it } from 'vitest';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/model/openModel';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

const folder = temporaryFolder();

async function failure(name: string, bytes: Uint8Array): Promise<QuantscopeError> {
  const path = writeFile(folder, name, bytes);
  const error: unknown = await openModel(path).then(
    async (model) => model.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuantscopeError);
  const known = error as QuantscopeError;
  expect(known.code).toBe('MODEL_FILE');
  expect(known.place.file).toBe(path);
  expect(known.message).toContain(path);
  return known;
}

const f32 = (shape: readonly number[], begin: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('a safetensors file that lies', () => {
  const cases: [string, Buffer, RegExp, string | undefined, (headerEnd: number) => number][] = [
    [
      'header longer than the file',
      Buffer.concat([Buffer.from([200, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}')]),
      /leaves the file/,
      undefined,
      () => 0,
    ],
    [
      'header of 2^63 bytes',
      Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 128]), Buffer.from('{}')]),
      /exceeds/,
      undefined,
      () => 0,
    ],
    ['not JSON', safetensorsBytes('{"a":', 0), /not JSON: the text ends/, undefined, () => 13],
    ['an array', safetensorsBytes('[]', 0), /not a JSON object/, undefined, () => 8],
    [
      'not UTF-8',
      Buffer.concat([
        safetensorsBytes('{"x":1}', 0).subarray(0, 8),
        Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      ]),
      /not UTF-8/,
      undefined,
      () => 8,
    ],
    [
      'a duplicate name',
      safetensorsBytes(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        4,
      ),
      /twice/,
      'a',
      () => 62,
    ],
    [
      'data outside the file',
      safetensorsBytes({ a: f32([4], 0, 16) }, 8),
      /outside the file/,
      'a',
      (end) => end,
    ],
    [
      'overlapping tensors',
      safetensorsBytes({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12),
      /overlaps/,
      'b',
      (end) => end + 4,
    ],
    [
      'a hole',
      safetensorsBytes({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      /hole of 4 bytes/,
      'b',
      (end) => end + 4,
    ],
    ['size against shape', safetensorsBytes({ a: f32([3], 0, 8) }, 8), /needs 12 bytes/, 'a', (end) => end],
    [
      'an overflowing shape',
      safetensorsBytes({ a: f32([2 ** 40, 2 ** 40], 0, 8) }, 8),
      /counted exactly/,
      'a',
      (end) => end,
    ],
    ['negative offsets', safetensorsBytes({ a: f32([1], -4, 0) }, 0), /not two byte offsets/, 'a', () => 8],
    [
      'end before begin',
      safetensorsBytes({ a: f32([1], 8, 4) }, 8),
      /before it begins/,
      'a',
      (end) => end + 8,
    ],
  ];
  it.each(cases)('%s', async (name, bytes, message, tensor, offset) => {
    const headerEnd = 8 + Number(bytes.readBigUInt64LE(0) & 0xffffn);
    const error = await failure(`${name}.safetensors`, bytes);
    expect(error.message).toMatch(message);
    expect(error.place.tensor).toBe(tensor);
    expect(error.place.offset).toBe(offset(headerEnd));
  });

  it('shows a dtype it does not know as such', async () => {
    const path = writeFile(
      folder,
      'future.safetensors',
      safetensorsBytes({ a: { dtype: 'F3_E1M1', shape: [8], data_offsets: [0, 3] } }, 3),
    );
    const model = await openModel(path);
    await model.close();
    expect(model.description.tensors).toMatchObject([{ dtype: 'F3_E1M1', byteLength: 3, readable: false }]);
  });

  it('packs sub-byte dtypes', async () => {
    const path = writeFile(
      folder,
      'packed.safetensors',
      safetensorsBytes({ a: { dtype: 'F4', shape: [3, 5], data_offsets: [0, 8] } }, 8),
    );
    const model = await openModel(path);
    await model.close();
    expect(model.description.tensors[0]).toMatchObject({ elements: 15, byteLength: 8 });
  });
});

describe('a GGUF file that lies', () => {
  const gguf = (): GgufBytes => new GgufBytes();
  const cases: [string, Buffer, RegExp, string | undefined, number][] = [
    ['empty', Buffer.alloc(0), /empty/, undefined, 0],
    ['wrong magic', Buffer.from('GGML0000'), /does not start with/, undefined, 0],
    ['version 9', gguf().start(9, 0, 0).bytes(), /version 9/, undefined, 4],
    [
      'big-endian',
      gguf()
        .raw('GGUF')
        .raw(Buffer.from([0, 0, 0, 3]))
        .u64(0)
        .u64(0)
        .bytes(),
      /big-endian/,
      undefined,
      4,
    ],
    [
      '2^60 tensors',
      gguf()
        .start(3, 1n << 60n, 0)
        .bytes(),
      /more than/,
      undefined,
      8,
    ],
    ['more tensors than bytes', gguf().start(3, 1000, 0).bytes(), /cannot hold/, undefined, 8],
    ['more keys than bytes', gguf().start(3, 0, 1000).bytes(), /cannot hold/, undefined, 16],
    [
      'an endless string',
      gguf()
        .start(3, 0, 1)
        .string('k')
        .u32(8)
        .u64(1n << 50n)
        .bytes(),
      /more than/,
      undefined,
      37,
    ],
    [
      'an endless array',
      gguf()
        .start(3, 0, 1)
        .string('k')
        .u32(9)
        .u32(4)
        .u64(1n << 50n)
        .bytes(),
      /ends inside/,
      undefined,
      49,
    ],
    [
      'an endless array of strings',
      gguf()
        .start(3, 0, 1)
        .string('k')
        .u32(9)
        .u32(8)
        .u64(1n << 50n)
        .bytes(),
      /ends inside/,
      undefined,
      49,
    ],
    [
      'an unknown value type',
      gguf().start(3, 0, 1).string('k').u32(77).u64(0).bytes(),
      /type of .* is 77/,
      undefined,
      33,
    ],
    [
      'a key twice',
      gguf().start(3, 0, 2).string('k').u32(4).u32(1).string('k').u32(4).u32(1).bytes(),
      /twice/,
      undefined,
      41,
    ],
    [
      'a tensor twice',
      gguf().start(3, 2, 0).tensor('t', [1], 0, 0).tensor('t', [1], 0, 32).data(64),
      /twice/,
      't',
      57,
    ],
    [
      'data outside the file',
      gguf().start(3, 1, 0).tensor('t', [64], 0, 0).data(100),
      /outside the file/,
      't',
      24,
    ],
    [
      'overlapping data',
      gguf().start(3, 2, 0).tensor('t', [64], 0, 0).tensor('u', [64], 0, 32).data(512),
      /overlaps/,
      'u',
      128,
    ],
    [
      'an unaligned offset',
      gguf().start(3, 1, 0).tensor('t', [4], 0, 4).data(64),
      /multiple of the alignment/,
      't',
      24,
    ],
    [
      'an overflowing shape',
      gguf()
        .start(3, 1, 0)
        .tensor('t', [1n << 40n, 1n << 40n], 0, 0)
        .data(64),
      /counted exactly/,
      't',
      24,
    ],
    [
      'rows that are not blocks',
      gguf().start(3, 1, 0).tensor('t', [100, 2], 12, 0).data(640),
      /whole blocks/,
      't',
      24,
    ],
    [
      'an alignment of 3',
      gguf().start(3, 0, 1).string('general.alignment').u32(4).u32(3).data(32),
      /power of two/,
      undefined,
      53,
    ],
    [
      'many dimensions',
      gguf().start(3, 1, 0).string('t').u32(1_000_000).data(64),
      /1000000 dimensions/,
      't',
      24,
    ],
    [
      'cut in the tensor list',
      gguf().start(3, 1, 0).tensor('tensor', [64], 0, 0).bytes().subarray(0, 60),
      /ends inside/,
      undefined,
      54,
    ],
  ];
  it.each(cases)('%s', async (name, bytes, message, tensor, offset) => {
    const error = await failure(`${name}.gguf`, bytes);
    expect(error.message).toMatch(message);
    expect(error.place.tensor).toBe(tensor);
    expect(error.place.offset).toBe(offset);
  });

  it('shows withdrawn and unknown types by name', async () => {
    const bytes = gguf().start(3, 2, 0).tensor('t', [32], 4, 0).tensor('u', [32], 99, 0).data(64);
    const model = await openModel(writeFile(folder, 'types.gguf', bytes));
    await model.close();
    expect(model.description.tensors.map((tensor) => [tensor.dtype, tensor.readable])).toEqual([
      ['Q4_2', false],
      ['type 99', false],
    ]);
  });
});
