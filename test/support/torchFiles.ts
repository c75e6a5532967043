import { crc32 } from 'node:zlib';

/** Opcodes of a pickle that is written as they are: for what torch.save never writes. */
export class Raw {
  readonly bytes: Buffer;

  /** @param parts opcodes as Latin-1 text, or bytes. */
  constructor(...parts: readonly (string | Uint8Array)[]) {
    this.bytes = Buffer.concat(
      parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
    );
  }
}

export class Tuple {
  readonly items: readonly Pickled[];

  constructor(...items: readonly Pickled[]) {
    this.items = items;
  }
}

/** collections.OrderedDict, as state_dict() returns; `attributes` as its `_metadata`. */
export class Ordered {
  constructor(
    readonly entries: Readonly<Record<string, Pickled>>,
    readonly attributes?: Readonly<Record<string, Pickled>>,
  ) {}
}

/** A class or function by its module and name. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}

/** The call of a class or function. */
export class Call {
  readonly args: readonly Pickled[];

  constructor(
    readonly callee: Pickled,
    ...args: readonly Pickled[]
  ) {
    this.args = args;
  }
}

/** Data of tensors. Two tensors with one storage share it. */
export class TorchStorage {
  constructor(
    /** "FloatStorage"; "UntypedStorage" counts bytes. */
    readonly type: string,
    readonly data: Uint8Array,
    /** Bytes of an element. */
    readonly width: number,
    /** Elements that the pickle states, where it lies. */
    readonly stated = data.length / width,
  ) {}
}

export interface TorchTensor {
  readonly storage: TorchStorage;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
  readonly offset?: number;
  /** "float8_e4m3fn", of a storage without a type. */
  readonly dtype?: string;
  /** Whether it is a torch.nn.Parameter. */
  readonly parameter?: boolean;
}

export type Pickled =
  | null
  | boolean
  | number
  | bigint
  | string
  | Raw
  | Tuple
  | Ordered
  | Global
  | Call
  | TorchTensor
  | readonly Pickled[]
  | { readonly [key: string]: Pickled };

const storageTypes: Readonly<Record<string, readonly [string, number]>> = {
  F64: ['DoubleStorage', 8],
  F32: ['FloatStorage', 4],
  F16: ['HalfStorage', 2],
  BF16: ['BFloat16Storage', 2],
  I64: ['LongStorage', 8],
  I32: ['IntStorage', 4],
  I16: ['ShortStorage', 2],
  I8: ['CharStorage', 1],
  U8: ['ByteStorage', 1],
  BOOL: ['BoolStorage', 1],
  C64: ['ComplexFloatStorage', 8],
};

/** @param dtype as safetensors calls it. */
export function storage(dtype: string, { buffer, byteOffset, byteLength }: ArrayBufferView): TorchStorage {
  const [type, width] = storageTypes[dtype]!;
  return new TorchStorage(type, new Uint8Array(buffer, byteOffset, byteLength), width);
}

/** A tensor that has all of a storage, in order. */
export const tensor = (dtype: string, shape: readonly number[], data: ArrayBufferView): TorchTensor => ({
  storage: storage(dtype, data),
  shape,
});

const isTensor = (value: object): value is TorchTensor => 'storage' in value && 'shape' in value;

/** Strides of a tensor whose elements are in order. */
function inOrder(shape: readonly number[]): number[] {
  return shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Writes pickles of protocol 2 as Python's pickler and torch.save do. */
export class PickleWriter {
  readonly storages = new Map<TorchStorage, string>();
  private parts: Buffer[] = [];
  private readonly memo = new Map<string, number>();

  /** @param legacy whether ids of storages have the part about views. */
  constructor(private readonly legacy = false) {}

  pickle(value: Pickled): Buffer {
    this.parts = [];
    this.memo.clear();
    this.raw('\x80\x02');
    this.write(value);
    this.raw('.');
    return Buffer.concat(this.parts);
  }

  private raw(...parts: (string | Uint8Array)[]): void {
    this.parts.push(new Raw(...parts).bytes);
  }

  private write(value: Pickled): void {
    if (value === null) return this.raw('N');
    if (typeof value === 'boolean') return this.raw(value ? '\x88' : '\x89');
    if (typeof value === 'number') return this.number(value);
    if (typeof value === 'bigint') return this.long(value);
    if (typeof value === 'string') return this.raw('X', u32(Buffer.byteLength(value)), Buffer.from(value));
    if (value instanceof Raw) return this.raw(value.bytes);
    if (value instanceof Tuple) return this.tuple(value.items);
    if (value instanceof Global) return this.global(value);
    if (value instanceof Ordered) return this.ordered(value);
    if (value instanceof Call) {
      this.write(value.callee);
      this.tuple(value.args);
      return this.raw('R');
    }
    if (isTensor(value)) return this.tensor(value);
    if (Array.isArray(value)) return this.list(value as readonly Pickled[]);
    this.raw('}');
    this.items(value as Readonly<Record<string, Pickled>>);
  }

  private number(value: number): void {
    if (!Number.isInteger(value)) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value);
      return this.raw('G', bytes);
    }
    if (value >= 0 && value < 256) return this.raw('K', Uint8Array.of(value));
    if (value >= 0 && value < 65536) return this.raw('M', u32(value).subarray(0, 2));
    if (Math.abs(value) < 2 ** 31) return this.raw('J', u32(value >>> 0));
    this.long(BigInt(value));
  }

  private long(value: bigint): void {
    const hex = value.toString(16);
    const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').reverse();
    const signed = bytes.at(-1)! >= 128 ? Buffer.concat([bytes, Buffer.from([0])]) : bytes;
    this.raw('\x8a', Uint8Array.of(signed.length), signed);
  }

  private tuple(items: readonly Pickled[]): void {
    if (items.length === 0) return this.raw(')');
    if (items.length > 3) this.raw('(');
    for (const item of items) this.write(item);
    this.raw(items.length > 3 ? 't' : ['', '\x85', '\x86', '\x87'][items.length]!);
  }

  private list(items: readonly Pickled[]): void {
    this.raw('](');
    for (const item of items) this.write(item);
    this.raw('e');
  }

  private items(entries: Readonly<Record<string, Pickled>>): void {
    this.raw('(');
    for (const [key, item] of Object.entries(entries)) {
      this.write(key);
      this.write(item);
    }
    this.raw('u');
  }

  private global({ module, name }: Global): void {
    const key = `${module}\n${name}`;
    const known = this.memo.get(key);
    if (known !== undefined) return this.raw('j', u32(known));
    this.raw(`c${key}\nr`, u32(this.memo.size));
    this.memo.set(key, this.memo.size);
  }

  private ordered({ entries, attributes }: Ordered): void {
    this.global(new Global('collections', 'OrderedDict'));
    this.raw(')R');
    this.items(entries);
    if (!attributes) return;
    this.write(attributes);
    this.raw('b');
  }

  private tensor({ storage: held, shape, strides, offset = 0, dtype, parameter }: TorchTensor): void {
    const hooks = new Ordered({});
    if (parameter) {
      this.global(new Global('torch._utils', '_rebuild_parameter'));
      this.raw('(');
    }
    this.global(
      new Global('torch._utils', dtype === undefined ? '_rebuild_tensor_v2' : '_rebuild_tensor_v3'),
    );
    this.raw('(');
    this.storageId(held);
    const place = [offset, new Tuple(...shape), new Tuple(...(strides ?? inOrder(shape)))];
    for (const item of [...place, false, hooks]) this.write(item);
    if (dtype !== undefined) this.global(new Global('torch', dtype));
    this.raw('tR');
    if (!parameter) return;
    this.write(true);
    this.write(hooks);
    this.raw('tR');
  }

  private storageId(held: TorchStorage): void {
    const key = this.storages.get(held) ?? String(this.storages.size);
    this.storages.set(held, key);
    const module = held.type === 'UntypedStorage' ? 'torch.storage' : 'torch';
    const id = ['storage', new Global(module, held.type), key, 'cpu', held.stated];
    this.tuple(this.legacy ? [...id, null] : id);
    this.raw('Q');
  }
}

/** A file of a ZIP archive. */
export interface ZipFile {
  readonly name: string;
  readonly data: Uint8Array;
  /** 0 stored, 8 deflated. */
  readonly method?: number;
  /** Size that the directory states, where it lies. */
  readonly size?: number;
  /** Name in the local header, where it differs. */
  readonly localName?: string;
  /** Bytes of the extra field that the local header states, where it lies. */
  readonly extra?: number;
  /** Place of the local header that the directory states, where it lies. */
  readonly header?: number;
}

/** Data of each file begins at a multiple of 64, as PyTorch's writer pads it. */
const alignment = 64;

export function zipBytes(files: readonly ZipFile[], { zip64 = false } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const file of files) {
    const { name, data, method = 0, size = data.length, localName = name, header = at } = file;
    const padding = (alignment - ((at + 30 + localName.length + 4) % alignment)) % alignment;
    const extra = Buffer.concat([Buffer.from('FB'), u32(padding).subarray(0, 2), Buffer.alloc(padding, 'Z')]);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    for (const place of [18, 22]) local.writeUInt32LE(data.length, place);
    local.writeUInt16LE(localName.length, 26);
    local.writeUInt16LE(file.extra ?? extra.length, 28);
    parts.push(local, Buffer.from(localName), extra, Buffer.from(data));
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(crc32(data), 16);
    const wide = zip64
      ? Buffer.concat([Buffer.from([1, 0, 24, 0]), u64(size), u64(size), u64(header)])
      : Buffer.alloc(0);
    for (const [place, value] of [
      [20, size],
      [24, size],
      [42, header],
    ] as const)
      entry.writeUInt32LE(zip64 ? 0xffffffff : value, place);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(wide.length, 30);
    directory.push(entry, Buffer.from(name), wide);
    at += 30 + localName.length + extra.length + data.length;
  }
  return Buffer.concat([
    ...parts,
    ...directory,
    endOf(files.length, at, Buffer.concat(directory).length, zip64),
  ]);
}

/** The end of a directory. */
function endOf(count: number, start: number, length: number, zip64: boolean): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const place of [8, 10]) end.writeUInt16LE(zip64 ? 0xffff : count, place);
  end.writeUInt32LE(zip64 ? 0xffffffff : length, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : start, 16);
  if (!zip64) return end;
  const wide = Buffer.alloc(56);
  wide.writeUInt32LE(0x06064b50, 0);
  wide.writeBigUInt64LE(44n, 4);
  for (const place of [24, 32]) wide.writeBigUInt64LE(BigInt(count), place);
  wide.writeBigUInt64LE(BigInt(length), 40);
  wide.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(start + length), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([wide, locator, end]);
}

/** The files of an archive as torch.save writes them. */
export function torchArchive(value: Pickled, folder = 'archive'): ZipFile[] {
  const writer = new PickleWriter();
  const pickle = writer.pickle(value);
  return [
    { name: `${folder}/data.pkl`, data: pickle },
    { name: `${folder}/byteorder`, data: Buffer.from('little') },
    ...[...writer.storages].map(([{ data }, key]) => ({ name: `${folder}/data/${key}`, data })),
    { name: `${folder}/version`, data: Buffer.from('3\n') },
    { name: `${folder}/.data/serialization_id`, data: Buffer.from('0'.repeat(40)) },
  ];
}

/** A file as torch.save writes it since PyTorch 1.6. */
export const torchZip = (value: Pickled): Buffer => zipBytes(torchArchive(value));

/** A file as torch.save wrote it before. */
export function torchLegacy(value: Pickled): Buffer {
  const writer = new PickleWriter(true);
  const system = { protocol_version: 1001, little_endian: true, type_sizes: { short: 2, int: 4, long: 4 } };
  const head = [0x1950a86a20f9469cfc6cn, 1001, system, value].map((item) => writer.pickle(item));
  const storages = [...writer.storages].sort(([, a], [, b]) => (a < b ? -1 : 1));
  const keys = writer.pickle(storages.map(([, key]) => key));
  const data = storages.flatMap(([held]) => [u64(held.stated), Buffer.from(held.data)]);
  return Buffer.concat([...head, keys, ...data]);
}
