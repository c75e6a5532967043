import { describe, expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/layouts/openModel';
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
      /header of 200 bytes is cut off: the file has only 10/,
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
      'overlapping tensors',
      safetensorsBytes({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12),
      /overlaps/,
      'b',
      (end) => end + 4,
    ],
    [
      'a hole',
      safetensorsBytes({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      /gap of 4 bytes/,
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
    [
      'negative offsets',
      safetensorsBytes({ a: f32([1], -4, 0) }, 0),
      /"data_offsets" is \[-4,0\]; two byte offsets are needed/,
      'a',
      () => 8,
    ],
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

const gguf = (): GgufBytes => new GgufBytes();

describe('a GGUF file that lies', () => {
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
      /at most/,
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
      /at most/,
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
      /multiple of the block size/,
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

  it('shows removed and unknown types by name, with the size that the offsets say', async () => {
    const bytes = gguf()
      .start(3, 3, 0)
      .tensor('t', [32], 4, 0)
      .tensor('u', [32], 99, 64)
      .tensor('v', [8], 0, 32)
      .data(128);
    const model = await openModel(writeFile(folder, 'types.gguf', bytes));
    await model.close();
    expect(
      model.description.tensors.map(({ dtype, byteLength, readable }) => [dtype, byteLength, readable]),
    ).toEqual([
      ['Q4_2 (removed)', 32, false],
      ['type 99 (unknown)', 64, false],
      ['F32', 32, true],
    ]);
    expect(model.description.tensors[0]!.unreadableReason).toMatch(
      /Q4_2 was removed from GGUF.*quantize the original/,
    );
    expect(model.description.tensors[1]!.unreadableReason).toMatch(/Type 99 is not a known ggml type/);
  });

  it('rejects offsets beyond what a file can have', async () => {
    const bytes = gguf()
      .start(3, 1, 0)
      .tensor('t', [64], 0, Number.MAX_SAFE_INTEGER - 31)
      .data(256);
    expect((await failure('far.gguf', bytes)).message).toMatch(/more than a file can have/);
  });
});

describe('a download that stopped', () => {
  const opened = async (name: string, bytes: Uint8Array) => {
    const model = await openModel(writeFile(folder, name, bytes));
    const read = await Promise.all(
      model.description.tensors
        .filter(({ readable }) => readable)
        .map((tensor) => model.read(tensor, 0, tensor.byteLength)),
    );
    await model.close();
    return { ...model.description, read };
  };
  const ready = { readable: true };
  const cut = (missingBytes: number, of: number, end: number) => ({
    ...{ readable: false, missingBytes },
    unreadableReason: `${missingBytes} of its ${of} bytes are missing: the file ends at byte ${end}.`,
  });

  it('of safetensors opens as far as it goes', async () => {
    const bytes = safetensorsBytes({ a: f32([2], 0, 8), b: f32([4], 8, 24), c: f32([1], 24, 28) }, 12);
    const { length } = bytes;
    const model = await opened('stopped.safetensors', bytes);
    expect(model.tensors).toMatchObject([ready, cut(12, 16, length), cut(4, 4, length)]);
    expect(model).toMatchObject({ missingBytes: 16, parameters: 7, dataBytes: 28 });
    expect(model.warnings).toEqual([
      `The file is not complete: it ends at byte ${length}, before 16 bytes of 2 of its 3 tensors. The others can be read.`,
    ]);
    expect(model.read).toEqual([new Uint8Array(8)]);
  });

  it('of GGUF opens as far as it goes', async () => {
    const bytes = gguf().start(3, 2, 0).tensor('t', [8], 0, 0).tensor('u', [64], 0, 32).data(100);
    const model = await opened('stopped.gguf', bytes);
    expect(model.tensors).toMatchObject([ready, cut(188, 256, bytes.length)]);
    expect(model.missingBytes).toBe(188);
  });

  it('cannot be exported', async () => {
    const bytes = gguf()
      .start(3, 1, 1)
      .string('general.architecture')
      .u32(8)
      .string('llama')
      .tensor('t', [64], 0, 0)
      .data(100);
    const model = await openModel(writeFile(folder, 'stopped2.gguf', bytes));
    await model.close();
    await expect(ggufView(model)).rejects.toThrow(/156 bytes are missing: the model is not complete/);
  });
});
