import { bytesOf, elementsOf, safetensorsDtype } from '../model/dtypes';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import { writeAtomically, type AtomicFile } from '../files/atomicFile';
import type { Inputs } from '../files/inputs';
import { ensureFreeSpace } from './diskSpace';

/** A tensor to write: its size follows from dtype and shape; `data` yields exactly so many bytes, in any pieces. */
export interface SafetensorsPart {
  readonly name: string;
  /** Safetensors dtype. */
  readonly dtype: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  data(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * Writes a safetensors file atomically. Tensors are written, and their `data` is asked for, in the order given; the header
 * is padded with spaces so that data starts at a multiple of 8.
 * @param inputs files that the output must not replace.
 * @returns bytes of the file.
 * @throws QuantscopeError REQUEST for a duplicate name or unknown dtype, or a target that is an input; IO; CANCELLED.
 * @see https://github.com/huggingface/safetensors (format)
 */
export async function writeSafetensors(
  out: string,
  tensors: readonly SafetensorsPart[],
  metadata: Readonly<Record<string, string>>,
  { signal, inputs }: { readonly signal?: AbortSignal; readonly inputs?: Inputs } = {},
): Promise<number> {
  const sizes = tensors.map(partBytes);
  const header = headerBytes(tensors, sizes, metadata);
  const total = sizes.reduce((sum, size) => sum + size, header.length);
  await ensureFreeSpace(out, total);
  const fill = async (file: AtomicFile): Promise<number> => {
    await file.write(header);
    for (const [index, tensor] of tensors.entries()) await writePart(file, tensor, sizes[index] ?? 0, signal);
    return file.bytesWritten;
  };
  return writeAtomically(out, fill, inputs);
}

async function writePart(
  file: AtomicFile,
  tensor: SafetensorsPart,
  size: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const start = file.bytesWritten;
  throwIfCancelled(signal);
  for await (const bytes of tensor.data()) {
    throwIfCancelled(signal);
    await file.write(bytes);
  }
  const written = file.bytesWritten - start;
  if (written === size) return;
  const message = `${written} bytes were written where dtype and shape call for ${size}.`;
  throw new QuantscopeError('INTERNAL', message, { file: file.target, tensor: tensor.name });
}

function headerBytes(
  tensors: readonly SafetensorsPart[],
  sizes: readonly number[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // A Map, because an object would move names like "0" to the front and drop "__proto__".
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let offset = 0;
  for (const [index, { name, dtype, shape }] of tensors.entries()) {
    if (entries.has(name) || name === '__metadata__')
      throw new QuantscopeError('REQUEST', 'Two tensors of the file would have this name.', { tensor: name });
    const end = offset + (sizes[index] ?? 0);
    entries.set(name, { dtype, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const fields = [...entries].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = Buffer.from(`{${fields.join(',')}}`, 'utf8');
  const length = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length), 0);
  json.copy(header, 8);
  return header;
}

function partBytes({ name, dtype, shape }: SafetensorsPart): number {
  const known = safetensorsDtype(dtype);
  const elements = elementsOf(shape);
  const bytes = known && elements !== undefined ? bytesOf(known, elements) : undefined;
  if (bytes !== undefined) return bytes;
  throw new QuantscopeError('REQUEST', `${dtype} [${shape.join(', ')}] cannot be written.`, { tensor: name });
}
