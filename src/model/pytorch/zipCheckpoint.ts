import { createHash } from 'node:crypto';
import type { ByteSource } from '../byteSource';
import { QuantscopeError } from '../errors';
import { inParallel } from '../inParallel';
import { maxPickle } from '../limits';
import type { Container } from './container';
import { Dangers } from './dangers';
import type { StoragePlace } from './describe';
import { PickleEnds } from './pickleBytes';
import { unpickle, type Pickle } from './unpickle';
import { storageBytes, type Storage } from './values';
import { dataStart, readZip, type ZipEntry } from './zipArchive';
import { said } from '../../protocol/said';

/** Local headers that are read at the same time: network disks answer slowly. */
const readsAtOnce = 16;

/**
 * A file as `torch.save` has written it since PyTorch 1.6: a ZIP archive with one folder, in which `data.pkl` is the pickle and `data/KEY` are
 * the storages. Reads the directory, the pickle and the headers of the storages.
 * @throws QuantscopeError MODEL_FILE naming the offset; for TorchScript and other archives saying what they are.
 * @see https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
 */
export async function openZipCheckpoint(source: ByteSource, signal?: AbortSignal): Promise<Container> {
  const archive = await Archive.open(source, signal);
  const pickle = archive.require('data.pkl');
  if (pickle.size > maxPickle)
    throw archive.fail(
      said`${pickle.name} has ${pickle.size} bytes; at most ${maxPickle} are read.`,
      pickle.header,
    );
  const start = await dataStart(source, pickle, signal);
  const bytes = await source.read(start, pickle.size, signal);
  const dangers = new Dangers();
  const { value, storages } = unpickled(bytes, archive, start, dangers);
  await archive.ensureLittleEndian(dangers);
  return {
    ...{ root: value, dangers, headerHash: archive.hash(bytes) },
    locate: async (keys) => {
      const used = [...storages.values()].filter(({ key }) => keys.has(key));
      const places = await inParallel(used, readsAtOnce, (storage) => archive.place(storage, dangers));
      return new Map(used.map(({ key }, i) => [key, places[i]!]));
    },
  };
}

function unpickled(bytes: Uint8Array, archive: Archive, start: number, dangers: Dangers): Pickle {
  try {
    return unpickle(bytes, archive.source.path, start, dangers);
  } catch (error) {
    if (!(error instanceof PickleEnds)) throw error;
    throw archive.fail(
      dangers.addedTo(said`data.pkl of ${bytes.length} bytes ends inside its pickle.`),
      start,
    );
  }
}

class Archive {
  private constructor(
    readonly source: ByteSource,
    private readonly entries: ReadonlyMap<string, ZipEntry>,
    /** Folder of the archive, with its slash. */
    private readonly folder: string,
    private readonly signal: AbortSignal | undefined,
  ) {}

  static async open(source: ByteSource, signal: AbortSignal | undefined): Promise<Archive> {
    const entries = await readZip(source, signal);
    // PyTorch takes the folder of the first file for that of the archive.
    const [first = ''] = entries.keys();
    const archive = new Archive(source, entries, first.slice(0, first.indexOf('/') + 1), signal);
    archive.ensureCheckpoint();
    return archive;
  }

  fail(message: string, offset = 0, tensor?: string): QuantscopeError {
    const place = { file: this.source.path, offset, ...(tensor === undefined ? {} : { tensor }) };
    return new QuantscopeError('MODEL_FILE', message, place);
  }

  require(name: string): ZipEntry {
    const entry = this.entries.get(this.folder + name);
    if (entry) return entry;
    throw this.fail(said`The ZIP archive lacks ${this.folder}${name}.`);
  }

  async ensureLittleEndian(dangers: Dangers): Promise<void> {
    const entry = this.entries.get(`${this.folder}byteorder`);
    if (!entry || entry.size > 64) return;
    const bytes = await this.source.read(
      await dataStart(this.source, entry, this.signal),
      entry.size,
      this.signal,
    );
    const order = Buffer.from(bytes).toString('latin1');
    if (order !== 'little')
      throw this.fail(
        dangers.addedTo(
          said`The weights are stored with the byte order "${order}"; only little-endian is read.`,
        ),
        entry.header,
      );
  }

  /** Of the pickle, and of everything that the directory says: sizes, places, checksums. */
  hash(pickle: Uint8Array): string {
    const hash = createHash('sha256').update(pickle);
    for (const { name, header, size, crc32 } of this.entries.values())
      hash.update(`${name}\n${header}\n${size}\n${crc32}\n`);
    return hash.digest('hex');
  }

  async place(storage: Storage, dangers: Dangers): Promise<StoragePlace> {
    const entry = this.require(`data/${storage.key}`);
    const offset = await dataStart(this.source, entry, this.signal);
    const needed = storageBytes(storage);
    if (needed <= entry.size) return { offset, size: needed };
    const message = dangers.addedTo(
      said`The storage ${entry.name} has ${entry.size} bytes; the pickle says ${needed}.`,
    );
    throw this.fail(message, offset);
  }

  private ensureCheckpoint(): void {
    if (this.entries.has(`${this.folder}constants.pkl`))
      throw this.fail(
        said`This is a TorchScript archive (torch.jit.save), a program rather than a checkpoint: load it in Python and save its state_dict() with torch.save.`,
      );
    if (this.entries.has(`${this.folder}data.pkl`)) return;
    throw this.fail(
      said`This ZIP archive is not a checkpoint of PyTorch: it has no data.pkl. Unpack it if it is an archive of a model.`,
    );
  }
}
