import { deflateRawSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../../src/layouts/openModel';
import { QuantscopeError } from '../../../../src/model/errors';
import { temporaryFolder, writeFile } from '../../../support/files';
import { Random } from '../../../support/random';
import {
  Call,
  Global,
  PickleWriter,
  Raw,
  storage,
  tensor,
  torchArchive,
  torchLegacy,
  TorchStorage,
  torchZip,
  Tuple,
  zipBytes,
  type Pickled,
  type ZipFile,
} from '../../../support/torchFiles';
import { processorTime } from '../../../support/processorTime';

const folder = temporaryFolder();
const ramp = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i);
const weights = { a: tensor('F32', [4], ramp(4)), b: tensor('F32', [2, 2], ramp(4)) };
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Opens a file and reads its tensors. */
async function use(path: string): Promise<void> {
  const model = await openModel(path);
  try {
    for (const found of model.description.tensors)
      if (found.readable && found.byteLength < 1e6) await model.read(found, 0, found.byteLength);
  } finally {
    await model.close();
  }
}

async function failure(name: string, bytes: Uint8Array): Promise<string> {
  const path = writeFile(folder, name, bytes);
  const error = await use(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuantscopeError);
  expect(error).toMatchObject({ code: 'MODEL_FILE', place: { file: path } });
  return (error as QuantscopeError).message;
}

const changed = (name: string, change: (file: ZipFile) => ZipFile): Buffer =>
  zipBytes(torchArchive(weights).map((file) => (file.name === `archive/${name}` ? change(file) : file)));

describe('an archive that lies', () => {
  const cases: [string, Buffer, RegExp][] = [
    [
      'compressed data',
      changed('data/0', (file) => ({
        ...file,
        data: deflateRawSync(file.data),
        method: 8,
        size: deflateRawSync(file.data).length,
      })),
      /archive\/data\/0 is compressed in the ZIP archive \(method 8\); torch\.save stores its files uncompressed/,
    ],
    [
      'a compressed pickle',
      changed('data.pkl', (file) => ({ ...file, method: 8 })),
      /archive\/data\.pkl is compressed/,
    ],
    [
      'a storage larger than the file',
      changed('data/0', (file) => ({ ...file, size: 1e9 })),
      /1000000000 bytes, which reach beyond the end/,
    ],
    [
      'a storage that is too short',
      changed('data/1', (file) => ({ ...file, size: 8 })),
      /archive\/data\/1 has 8 bytes; the pickle says 16/,
    ],
    [
      'another name in the local header',
      changed('data/0', (file) => ({ ...file, localName: 'archive/data/9' })),
      /names another file/,
    ],
    ['two files at one place', changed('data/1', (file) => ({ ...file, header: 0 })), /overlaps/],
    ['a header somewhere else', changed('data/1', (file) => ({ ...file, header: 1 })), /overlaps/],
    [
      'a file listed twice',
      zipBytes([...torchArchive(weights), torchArchive(weights)[0]!]),
      /lists archive\/data\.pkl twice/,
    ],
    [
      'a local header that moves its data over the next file',
      changed('data/0', (file) => ({ ...file, extra: 128 })),
      /header of archive\/data\/0 puts its 16 bytes where they reach beyond byte \d+/,
    ],
    [
      'no storage',
      zipBytes(torchArchive(weights).filter(({ name }) => name !== 'archive/data/1')),
      /lacks archive\/data\/1/,
    ],
    [
      'no directory',
      torchZip(weights).subarray(0, -30),
      /directory of the ZIP archive cannot be read .* or its end has not been downloaded yet/,
    ],
    [
      'big-endian weights',
      changed('byteorder', (file) => ({ ...file, data: Buffer.from('big') })),
      /byte order "big"; only little-endian is read/,
    ],
    [
      'TorchScript',
      zipBytes([...torchArchive(weights), { name: 'archive/constants.pkl', data: Buffer.from('') }]),
      /This is a TorchScript archive/,
    ],
    [
      'another archive',
      zipBytes([{ name: 'notes.txt', data: Buffer.from('hello') }]),
      /not a checkpoint of PyTorch: it has no data\.pkl/,
    ],
    [
      'a pickle that is cut off',
      changed('data.pkl', (file) => ({ ...file, data: file.data.subarray(0, 50) })),
      /data\.pkl of 50 bytes ends inside its pickle/,
    ],
  ];
  it.each(cases)('%s', async (name, bytes, message) => {
    expect(await failure(`${name}.pt`, bytes)).toMatch(message);
  });

  it('another ZIP archive under another name is said to be one', async () => {
    const path = writeFile(
      folder,
      'notes.zip',
      zipBytes([{ name: 'notes.txt', data: Buffer.from('hello') }]),
    );
    await expect(openModel(path)).rejects.toThrow('This is a ZIP archive, but not one of PyTorch');
  });
});

describe('a tensor that lies', () => {
  const held = storage('F32', ramp(4));
  const rebuild = (...args: Pickled[]): Call =>
    new Call(new Global('torch._utils', '_rebuild_tensor_v2'), ...args);
  const cases: [string, Pickled, RegExp][] = [
    [
      'more elements than its storage',
      { a: { storage: held, shape: [5] } },
      /reaches byte 20 of its storage, which has 16\. .*tensor "a"/,
    ],
    ['a beginning behind its storage', { a: { storage: held, shape: [1], offset: 4 } }, /reaches byte 20/],
    [
      'strides that leave its storage',
      { a: { storage: held, shape: [2, 2], strides: [3, 1] } },
      /reaches byte 20/,
    ],
    [
      'more elements than numbers have',
      { a: { storage: held, shape: [2 ** 40, 2 ** 40] } },
      /more weights than can be counted exactly/,
    ],
    [
      'strides of another number of dimensions',
      { a: { storage: held, shape: [2], strides: [1, 1] } },
      /does not fit/,
    ],
    ['a negative size', { a: { storage: held, shape: [-1] } }, /does not fit/],
    ['no storage', { a: rebuild('x', 0, new Tuple(1), new Tuple(1), false, {}) }, /does not fit/],
    [
      'a storage of two sizes',
      {
        a: { storage: held, shape: [1] },
        b: new Raw('(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x09tQ'),
      },
      /gives the storage 0 both 16 and 36 bytes/,
    ],
  ];
  it.each(cases)('%s', async (name, value, message) => {
    expect(await failure(`${name}.bin`, torchZip(value))).toMatch(message);
  });

  it('an expanded shape takes no more memory than is read', async () => {
    const path = writeFile(
      folder,
      'expanded.pt',
      torchZip({ a: { storage: held, shape: [2 ** 40, 4], strides: [0, 1] } }),
    );
    const model = await openModel(path);
    const bytes = await model.read(model.tensor('a'), 16 * (2 ** 40 - 1), 16);
    await model.close();
    expect([...new Float32Array(bytes.buffer)]).toEqual([0, 1, 2, 3]);
  });
});

describe('a file of the older format that lies', () => {
  const bytes = torchLegacy(weights);

  it('states another number of elements', async () => {
    const other = torchLegacy({
      a: { storage: new TorchStorage('FloatStorage', new Uint8Array(16), 4, 3), shape: [3] },
    });
    other.writeBigInt64LE(4n, other.length - 16 - 8);
    expect(await failure('elements.bin', other)).toMatch(/The storage 0 has 4 elements; the pickle says 3/);
  });

  it('lists a storage twice', async () => {
    const keys = new PickleWriter().pickle(['0', '1']);
    const at = bytes.indexOf(keys);
    const twice = Buffer.concat([
      bytes.subarray(0, at),
      new PickleWriter().pickle(['0', '0', '1']),
      bytes.subarray(at + keys.length),
    ]);
    expect(await failure('twice.bin', twice)).toMatch(/The list of storages names 0 twice/);
  });

  it('ends inside its pickles', async () => {
    expect(await failure('short.bin', bytes.subarray(0, 200))).toMatch(
      /The file of 200 bytes ends inside a pickle/,
    );
  });

  it('ends inside its data: it opens, and says what is missing', async () => {
    const model = await openModel(writeFile(folder, 'cut.bin', bytes.subarray(0, -10)));
    await model.close();
    expect(model.description.missingBytes).toBe(10);
    expect(model.description.tensors.map(({ readable }) => readable)).toEqual([true, false]);
    expect(model.description.warnings).toEqual([
      expect.stringMatching(
        /The file is not complete: it ends at byte \d+, before 10 bytes of 1 of its 2 tensors/,
      ),
    ]);
  });
});

/** Keys of a dictionary, each with the value None. */
const distinctKeys = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => new Raw('J', u32(i), 'N').bytes));

/** Two bytes for each level: objects that grow with every one. */
const nested = (levels: number): Raw => new Raw(`]${'q\x01h\x01h\x01\x86'.repeat(levels)}`);

describe('a pickle that wants memory or time', () => {
  const cases: [string, Raw, RegExp][] = [
    ['a text longer than the file', new Raw('X', u32(0xfffffff0), 'x'), /ends inside its pickle/],
    [
      'a text of 2^63 bytes',
      new Raw('\x8d', new Uint8Array(7), '\x80'),
      /states a length of 9223372036854775808 bytes/,
    ],
    ['bytes of 2^50', new Raw('\x8e', new Uint8Array(6), '\x04\0'), /ends inside its pickle/],
    [
      'an integer of 2^31 bytes',
      new Raw('\x8b', u32(0x7fffffff), '\x01'),
      /a number of 2147483647 bytes; at most 1024 are read/,
    ],
    ['decimals without end', new Raw(`L${'9'.repeat(50_000)}L\n`), /holds a number that is not one/],
    ['a line without end', new Raw(`c${'x'.repeat(100_000)}`), /line of more than 65535 bytes/],
    ['marks only', new Raw('('.repeat(5_000_000)), /makes more than 4000000 objects/],
    ['lists only', new Raw(']'.repeat(5_000_000)), /makes more than 4000000 objects/],
    [
      'copies of one dictionary',
      new Raw(
        '}(',
        distinctKeys(50_000),
        'uq\x01',
        '0ccollections\nOrderedDict\nq\x02',
        'h\x01\x85Rh\x02'.repeat(100),
      ),
      /makes more than 4000000 objects/,
    ],
    [
      'calls that look through a long list and then fail for the lack of another argument',
      new Raw(
        `](${'N'.repeat(1_000_000)}eq\x01`,
        '0cevil\nname\nq\x02',
        '0ccollections\nOrderedDict\nq\x03',
        'h\x01h\x02\x86Rh\x03'.repeat(100_000),
      ),
      /makes more than 4000000 objects/,
    ],
    [
      'dictionaries of a long list of one pair',
      new Raw(
        `](K\x02K\x01\x86q\x01${'h\x01'.repeat(1_000_000)}eq\x02`,
        '0ccollections\nOrderedDict\nq\x03',
        'h\x02\x85Rh\x03'.repeat(100_000),
      ),
      /makes more than 4000000 objects/,
    ],
    [
      'keys that make long names',
      new Raw('}X', u32(60e6), Buffer.alloc(60e6, 'k'), `q\x01${'}h\x01'.repeat(11)}]${'s'.repeat(12)}`),
      /names of the tensors have more than 268435456 characters/,
    ],
    [
      'copies of one text',
      new Raw(
        'X',
        u32(1e6),
        'x'.repeat(1e6),
        'q\x01',
        'c_codecs\nencode\nq\x02',
        'h\x01X\x06\0\0\0latin1\x86Rh\x02'.repeat(200),
      ),
      /makes more than 4000000 objects/,
    ],
    [
      'containers that double at every level',
      nested(60),
      /hold more than 4000000 objects|more than 100 deep/,
    ],
    ['containers nested too deep', nested(2000), /hold more than 4000000 objects|more than 100 deep/],
    ['a list that holds itself', new Raw(']q\x01h\x01a'), /more than 100 deep/],
    ['an empty stack', new Raw('0000'), /takes a value that it never made/],
    ['a mark that was not set', new Raw('t'), /returns to a mark that it never set/],
    ['a value that was not kept', new Raw('h\x09'), /refers to value 9, which it never kept/],
    ['an unknown protocol', new Raw('\x80\x63'), /Protocol 99 of pickles is not known/],
    [
      'a call of something that is not a function',
      new Raw('K\x01)R'),
      /calls 1 with \(\), which does not fit/,
    ],
  ];
  it.each(cases)('%s', async (name, raw, message) => {
    const spent = processorTime();
    expect(await failure(`${name}.pt`, torchZip([raw]))).toMatch(message);
    expect(spent()).toBeLessThan(20_000);
  });
});

describe('a pickle that repeats itself', () => {
  it('sets one key a million times and shows the dictionary a hundred thousand times', async () => {
    const raw = new Raw(`]q\x00}q\x01(${'K\x01N'.repeat(1_000_000)}u0`, `h\x00(${'h\x01'.repeat(100_000)}e`);
    const spent = processorTime();
    const model = await openModel(writeFile(folder, 'repeated.pt', torchZip([raw])));
    await model.close();
    expect(model.description.tensors).toEqual([]);
    expect(spent()).toBeLessThan(20_000);
  });

  it('names no more than a few of many other tensors', async () => {
    const others = Array.from({ length: 1000 }, (_, i) => [`other${i}`, { x: weights.a }]);
    const state = { state_dict: weights, ...Object.fromEntries(others) } as Pickled;
    const model = await openModel(writeFile(folder, 'others.pt', torchZip(state)));
    await model.close();
    expect(model.description.notes.join()).toContain(
      '1,000 other tensors of the file (other0, other1, other2, other3, …) are not shown',
    );
  });
});

describe('bytes changed at random', () => {
  const state = {
    ...weights,
    view: { storage: storage('F16', new Uint16Array(12)), shape: [3, 4], strides: [1, 3] },
    nested: { x: new Tuple(1, 2.5, 'text', null, true), y: [weights.a] },
  };
  it.each([
    ['zip', torchZip(state), 3000],
    ['legacy', torchLegacy(state), 3000],
  ])('%s: a model or an error of ours', async (kind, bytes, rounds) => {
    const random = new Random(7);
    const path = writeFile(folder, `fuzz-${kind}.pt`, bytes);
    let failed = 0;
    for (let round = 0; round < rounds; round++) {
      const copy = Buffer.from(bytes);
      const changes = 1 + Math.floor(random.next() * 4);
      for (let i = 0; i < changes; i++)
        copy[Math.floor(random.next() * copy.length)] = Math.floor(random.next() * 256);
      writeFile(
        folder,
        `fuzz-${kind}.pt`,
        round % 4 === 0 ? copy.subarray(0, Math.floor(random.next() * copy.length)) : copy,
      );
      try {
        await use(path);
      } catch (error) {
        failed += 1;
        if (!(error instanceof QuantscopeError) || error.code === 'INTERNAL') throw error;
      }
    }
    expect(readFileSync(path).length).toBeGreaterThan(0);
    expect(failed).toBeGreaterThan(rounds / 10);
    expect(failed).toBeLessThan(rounds);
  });
});
