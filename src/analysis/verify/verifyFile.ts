import { changedMessage, changedOutside, sizeMessage } from '../../files/digests/changedOutside';
import type { DigestManifest } from '../../files/digests/manifest';
import type { ByteSource } from '../../model/byteSource';
import { chunkSize } from '../../files/digests/chunkDigests';
import type { Fault } from '../../protocol/verify';
import { said } from '../../protocol/said';
import { checkTensor, type CheckedTensor } from './checkTensor';
import type { Faults } from './faults';

/** One file of weights, open, and what is known of it. */
export interface FileToVerify {
  readonly source: ByteSource;
  /** Tensors as its header states them; undefined where the header cannot be read. */
  readonly tensors?: readonly CheckedTensor[] | undefined;
  readonly manifest?: DigestManifest | undefined;
}

export interface VerifyFileOptions {
  readonly faults: Faults;
  /** Reads no weights. */
  readonly quick?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a tensor before it is read, and with bytes that were read of it. */
  readonly onBytes?: ((tensor: string, bytes: number) => void) | undefined;
}

/** Tensors of a file that are checked: those that were written, in the dtypes that the model sees in them, and others that its header has. */
export function tensorsToCheck({ tensors = [], manifest }: FileToVerify): readonly CheckedTensor[] {
  const stated = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const written = (manifest?.tensors ?? []).map((tensor): CheckedTensor => {
    const found = stated.get(tensor.name);
    stated.delete(tensor.name);
    return found && isAt(found, tensor) ? { ...tensor, dtype: found.dtype } : tensor;
  });
  return [...written, ...stated.values()];
}

type Place = Pick<CheckedTensor, 'offset' | 'bytes'>;

const isAt = (a: Place, b: Place): boolean => a.offset === b.offset && a.bytes === b.bytes;

/** Checks a file: its size and header against its digests, the bounds of its tensors, their bytes and values. */
export async function verifyFile(file: FileToVerify, options: VerifyFileOptions): Promise<void> {
  const { source, tensors, manifest } = file;
  const { faults, quick, signal, onBytes } = options;
  const add = (fault: Omit<Fault, 'file'>): void => faults.add({ file: source.path, ...fault });
  // A header with the bytes that were written states the tensors that were written.
  if (manifest && !(await isOutsideIntact(source, manifest, add, signal)) && tensors)
    compareHeader(tensors, manifest, add);
  for (const fault of boundFaults(tensors ?? [], source.size)) add(fault);
  if (quick) return;
  const chunkBytes = manifest?.chunkBytes ?? chunkSize(source.size);
  for (const tensor of tensorsToCheck(file)) {
    onBytes?.(tensor.name, 0);
    const own = { source, chunkBytes, faults, signal };
    await checkTensor(tensor, { ...own, onBytes: (bytes) => onBytes?.(tensor.name, bytes) });
  }
}

/** Whether size, header and padding are as they were written. */
async function isOutsideIntact(
  source: ByteSource,
  manifest: DigestManifest,
  add: AddFault,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (source.size !== manifest.bytes) {
    add({ kind: 'size', message: sizeMessage(source.size, manifest.bytes) });
    return false;
  }
  const changed = await changedOutside(source, manifest, signal);
  for (const range of changed) {
    const { offset, bytes } = range;
    add({ kind: 'header', offset, bytes, message: changedMessage(range) });
  }
  return changed.length === 0;
}

type AddFault = (fault: Omit<Fault, 'file'>) => void;

/** Whether the header states the tensors that were written. */
function compareHeader(
  tensors: readonly CheckedTensor[],
  { tensors: written }: DigestManifest,
  add: AddFault,
): void {
  const stated = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const expected of written) {
    const found = stated.get(expected.name);
    stated.delete(expected.name);
    const { name, offset, bytes } = expected;
    if (found && isAt(found, expected)) continue;
    const message = found
      ? said`The header states ${found.bytes} bytes from byte ${found.offset}; ${bytes} from byte ${offset} were written.`
      : said`The header does not have the tensor, which was written.`;
    add({ kind: 'header', tensor: name, offset, bytes, message });
  }
  for (const { name, offset, bytes } of stated.values())
    add({
      kind: 'header',
      tensor: name,
      offset,
      bytes,
      message: said`The tensor was not written with the file.`,
    });
}

/** Tensors that reach beyond the file, or into each other. */
function* boundFaults(tensors: readonly CheckedTensor[], size: number): Generator<Omit<Fault, 'file'>> {
  let previous: CheckedTensor | undefined;
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
    const { name, offset, bytes, strides } = tensor;
    if (strides || bytes === 0) continue; // a view may share what it shows
    const place = { kind: 'bounds', tensor: name, offset, bytes } as const;
    if (offset + bytes > size)
      yield { ...place, message: said`The tensor reaches beyond the file of ${size} bytes.` };
    if (previous && offset < previous.offset + previous.bytes)
      yield { ...place, message: said`The tensor overlaps "${previous.name}".` };
    previous = tensor;
  }
}
