import { createHash, type Hash } from 'node:crypto';
import type { ByteSource } from '../byteSource';
import { QuantscopeError } from '../errors';
import { inParallel } from '../inParallel';
import { headerWindow, maxPickle } from '../limits';
import type { Container } from './container';
import { Dangers } from './dangers';
import type { StoragePlace } from './describe';
import { PickleEnds } from './pickleBytes';
import { unpickle, type Pickle } from './unpickle';
import { itemsOf, shownValue, storageBytes, type PickleValue, type Storage } from './values';
import { said } from '../../protocol/said';

/** The number that such a file begins with, as a pickle of its own. */
const magicNumber = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;

/** Bytes before each storage: its number of elements. */
const countBytes = 8;
/** Counts that are read at the same time. */
const readsAtOnce = 16;

/**
 * A file as `torch.save` wrote it before PyTorch 1.6: five pickles (magic number, version, system, object, keys of the storages), then the
 * storages in the order of the keys, each after its number of elements. PyTorch writes them little-endian on every machine. Reads
 * the pickles and the numbers.
 * @throws QuantscopeError MODEL_FILE naming the offset, with the dangers found: a pickle that is not such a file may still run code.
 * @see https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
 */
export async function openLegacyCheckpoint(source: ByteSource, signal?: AbortSignal): Promise<Container> {
  const pickles = new Pickles(source, signal);
  const { value: magic } = await pickles.next();
  if (magic !== magicNumber) return notTorch(pickles, magic);
  const { value: version } = await pickles.next();
  if (version !== protocolVersion)
    throw pickles.fail(said`Version ${shownValue(version)} of PyTorch's files is not known.`);
  await pickles.next();
  const { value: root, storages } = await pickles.next();
  const keys = itemsOf((await pickles.next()).value)?.map(keyOf);
  if (!keys) throw pickles.fail(said`The list of storages is not a list.`);
  return {
    ...{ root, dangers: pickles.dangers, headerHash: pickles.digest() },
    locate: (used) => locate(pickles, keys, storages, used, signal),
  };
}

/** Another pickle: loading it in Python would run it all the same, so that its dangers are worth showing. */
function notTorch(pickles: Pickles, root: PickleValue): Container {
  if (pickles.dangers.isEmpty)
    throw pickles.fail(
      said`This is a Python pickle, but not one of PyTorch: it lacks the number that torch.save begins with.`,
      0,
    );
  const locate = (): Promise<never> =>
    Promise.reject(pickles.fail(said`The file is a plain pickle and has no storages.`, 0));
  return { root, dangers: pickles.dangers, headerHash: pickles.digest(), locate };
}

const keyOf = (key: PickleValue): string => (typeof key === 'string' ? key : shownValue(key));

async function locate(
  pickles: Pickles,
  keys: readonly string[],
  storages: ReadonlyMap<string, Storage>,
  used: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, StoragePlace>> {
  const { source } = pickles;
  const places = new Map<string, StoragePlace>();
  let offset = pickles.offset;
  for (const key of keys) {
    if (places.has(key)) throw pickles.fail(said`The list of storages names ${key} twice.`, offset);
    const storage = storages.get(key);
    if (!storage)
      throw pickles.fail(
        said`The list of storages names ${key}, whose size the pickle does not say.`,
        offset,
      );
    places.set(key, { offset: offset + countBytes, size: storageBytes(storage) });
    offset += countBytes + storageBytes(storage);
  }
  const lost = [...used].find((key) => !places.has(key));
  if (lost !== undefined) throw pickles.fail(said`The list of storages lacks ${lost}.`);
  // Those behind the end of an interrupted download cannot be checked.
  const present = keys.filter((key) => places.get(key)!.offset <= source.size);
  await inParallel(present, readsAtOnce, async (key) => {
    const at = places.get(key)!.offset - countBytes;
    const bytes = Buffer.from(await source.read(at, countBytes, signal));
    const { elements } = storages.get(key)!;
    if (bytes.readBigInt64LE(0) === BigInt(elements)) return;
    throw pickles.fail(
      said`The storage ${key} has ${bytes.readBigInt64LE(0)} elements; the pickle says ${elements}.`,
      at,
    );
  });
  return places;
}

/** Pickles that follow each other. Their lengths are not known before they are read, so that the window grows until each is whole. */
class Pickles {
  /** Of the next pickle. */
  offset = 0;
  dangers = new Dangers();
  private readonly hash: Hash = createHash('sha256');
  private window: Uint8Array = new Uint8Array(0);

  constructor(
    readonly source: ByteSource,
    private readonly signal: AbortSignal | undefined,
  ) {}

  fail(message: string, offset = this.offset): QuantscopeError {
    const place = { file: this.source.path, offset };
    return new QuantscopeError('MODEL_FILE', this.dangers.addedTo(message), place);
  }

  digest(): string {
    return this.hash.digest('hex');
  }

  async next(): Promise<Pickle> {
    for (;;) {
      const found = new Dangers(this.dangers);
      try {
        const pickle = unpickle(this.window, this.source.path, this.offset, found);
        const { length } = pickle;
        this.hash.update(this.window.subarray(0, length));
        this.window = this.window.subarray(length);
        this.offset += length;
        this.dangers = found;
        return pickle;
      } catch (error) {
        if (!(error instanceof PickleEnds)) throw error;
        await this.grow(found);
      }
    }
  }

  private async grow(found: Dangers): Promise<void> {
    const rest = this.source.size - this.offset;
    const { length } = this.window;
    if (length < rest && length < maxPickle) {
      const size = Math.min(rest, maxPickle, Math.max(headerWindow, 2 * length));
      this.window = await this.source.read(this.offset, size, this.signal);
      return;
    }
    this.dangers = found;
    if (length < rest) throw this.fail(said`The pickle has more than ${maxPickle} bytes.`);
    throw this.fail(
      said`The file of ${this.source.size} bytes ends inside a pickle: it is truncated or damaged.`,
    );
  }
}
