import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry } from 'yauzl';
import type { ByteSource } from '../byteSource';
import { QuantscopeError } from '../errors';
import { headerWindow, maxTensors, maxZipDirectory } from '../limits';
import { said } from '../../protocol/said';

/** A file of an archive, stored without compression. */
export interface ZipEntry {
  readonly name: string;
  /** Absolute offset of its local header. */
  readonly header: number;
  /** Bytes. */
  readonly size: number;
  readonly crc32: number;
  /** Where the next file begins, or the archive ends. */
  readonly limit: number;
}

/** As the directory lists it. */
type ListedEntry = Omit<ZipEntry, 'limit'>;

/**
 * The files of a ZIP archive by their names, in the order of its directory, which is all that is read. Sizes and places are checked
 * against the file and against each other.
 * @throws QuantscopeError MODEL_FILE when the directory is missing or damaged, or files are compressed, encrypted, listed twice or
 * lie over each other.
 */
export async function readZip(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const byName = new Map<string, ListedEntry>();
  for (const entry of await readDirectory(source, signal)) {
    const { name, header } = entry;
    if (byName.has(name)) throw fail(source, said`The ZIP archive lists ${name} twice.`, header);
    byName.set(name, entry);
  }
  const limits = limitsOf(source, [...byName.values()]);
  return new Map([...byName].map(([name, entry]) => [name, { ...entry, limit: limits.get(name)! }]));
}

/**
 * Where the data of a file begins: after its local header, which must name the same file.
 * @throws QuantscopeError MODEL_FILE.
 */
export async function dataStart(source: ByteSource, entry: ZipEntry, signal?: AbortSignal): Promise<number> {
  const { name, header, size, limit } = entry;
  const expected = Buffer.from(name);
  const length = Math.min(localHeader + expected.length, source.size - header);
  const bytes = Buffer.from(await source.read(header, length, signal));
  const bad = (what: string): QuantscopeError =>
    fail(source, said`The ZIP archive is damaged: the header of ${name} ${what}.`, header);
  if (length < localHeader + expected.length) throw bad(said`is cut off`);
  if (bytes.readUInt32LE(0) !== 0x04034b50) throw bad(said`is not where the directory says`);
  if (bytes.readUInt16LE(8) !== 0) throw bad(said`says that it is compressed, the directory that it is not`);
  const isSame = bytes.readUInt16LE(26) === expected.length && expected.equals(bytes.subarray(localHeader));
  if (!isSame) throw bad(said`names another file`);
  const start = header + localHeader + expected.length + bytes.readUInt16LE(28);
  if (start + size > limit) throw bad(said`puts its ${size} bytes where they reach beyond byte ${limit}`);
  return start;
}

/** Bytes of a local header before the name. */
const localHeader = 30;

async function readDirectory(source: ByteSource, signal: AbortSignal | undefined): Promise<ListedEntry[]> {
  const reader = new SourceReader(source, signal);
  const found: ListedEntry[] = [];
  try {
    const zip = await fromRandomAccessReaderPromise(reader, source.size, { autoClose: false });
    if (zip.entryCount > maxTensors)
      throw fail(
        source,
        said`The ZIP archive lists ${zip.entryCount} files; at most ${maxTensors} are read.`,
      );
    for await (const entry of zip.eachEntry()) found.push(entryOf(source, entry));
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = said`The directory of the ZIP archive cannot be read (${reason}): the file is damaged, or its end has not been downloaded yet.`;
    throw new QuantscopeError('MODEL_FILE', message, { file: source.path, offset: 0 }, cause);
  }
  return found;
}

function entryOf(source: ByteSource, entry: Entry): ListedEntry {
  const { fileName: name, relativeOffsetOfLocalHeader: header, uncompressedSize: size, crc32 } = entry;
  if (entry.isEncrypted()) throw fail(source, said`${name} is encrypted in the ZIP archive.`, header);
  if (entry.compressionMethod !== 0)
    throw fail(
      source,
      said`${name} is compressed in the ZIP archive (method ${entry.compressionMethod}); torch.save stores its files uncompressed: pack them again without compression (zip -0).`,
      header,
    );
  if (header + localHeader + size > source.size)
    throw fail(
      source,
      said`The ZIP archive gives ${name} ${size} bytes, which reach beyond the end of the file.`,
      header,
    );
  return { name, header, size, crc32 };
}

/**
 * Where each file must have ended, by its name. Files that lie over each other are how a small archive pretends to be a large one, or how two
 * readers see different data.
 */
function limitsOf(source: ByteSource, entries: readonly ListedEntry[]): ReadonlyMap<string, number> {
  const sorted = [...entries].sort((a, b) => a.header - b.header);
  return new Map(
    sorted.map(({ name, header, size }, i) => {
      const next = sorted[i + 1];
      const end = header + localHeader + Buffer.byteLength(name) + size;
      if (next && end > next.header)
        throw fail(source, said`In the ZIP archive ${name} overlaps ${next.name}.`, next.header);
      return [name, next?.header ?? source.size];
    }),
  );
}

const fail = (source: ByteSource, message: string, offset = 0): QuantscopeError =>
  new QuantscopeError('MODEL_FILE', message, { file: source.path, offset });

/** Reads of a directory go forward in small steps; they are served from one window. */
class SourceReader extends RandomAccessReader {
  private window: Uint8Array = new Uint8Array(0);
  private start = 0;
  private total = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly signal: AbortSignal | undefined,
  ) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.load(position, length).then(
      () => {
        const at = position - this.start;
        buffer.set(this.window.subarray(at, at + length), offset);
        callback(null);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  }

  private async load(position: number, length: number): Promise<void> {
    if (position >= this.start && position + length <= this.start + this.window.length) return;
    const size = Math.max(length, Math.min(headerWindow, this.source.size - position));
    this.total += size;
    if (this.total > maxZipDirectory)
      throw fail(
        this.source,
        said`The directory of the ZIP archive has more than ${maxZipDirectory} bytes.`,
        position,
      );
    this.window = await this.source.read(position, size, this.signal);
    this.start = position;
  }
}
