import { bytesOf, elementsOf, safetensorsDtype } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

/** A tensor to write: its size follows from dtype and shape. */
export interface SafetensorsTensor {
  readonly name: string;
  /** Safetensors dtype. */
  readonly dtype: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
}

/**
 * The header of a safetensors file whose tensors follow each other in this order, padded with spaces so that data starts at a multiple of 8.
 * @param length of the whole header, where room was left for it: at least what it needs.
 * @throws QuantscopeError REQUEST for a duplicate name or unknown dtype.
 * @see https://github.com/huggingface/safetensors (format)
 */
export function safetensorsHeader(
  tensors: readonly SafetensorsTensor[],
  metadata: Readonly<Record<string, string>>,
  length?: number,
): Uint8Array {
  // A Map, because an object would move names like "0" to the front and drop "__proto__".
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', metadata);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (entries.has(name) || name === '__metadata__')
      throw new QuantscopeError('REQUEST', said`Two tensors of the file would have this name.`, {
        tensor: name,
      });
    const end = offset + tensorBytes(tensor);
    entries.set(name, { dtype, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const fields = [...entries].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = Buffer.from(`{${fields.join(',')}}`, 'utf8');
  const header = Buffer.alloc(length ?? 8 + Math.ceil(json.length / 8) * 8, ' ');
  if (json.length > header.length - 8)
    throw new RangeError(`a header of ${json.length} bytes does not fit into ${header.length - 8}`);
  header.writeBigUInt64LE(BigInt(header.length - 8), 0);
  json.copy(header, 8);
  return header;
}

/** Bytes of a tensor. @throws QuantscopeError REQUEST for a dtype that safetensors does not have. */
export function tensorBytes({ name, dtype, shape }: SafetensorsTensor): number {
  const known = safetensorsDtype(dtype);
  const elements = elementsOf(shape);
  const bytes = known && elements !== undefined ? bytesOf(known, elements) : undefined;
  if (bytes !== undefined) return bytes;
  throw new QuantscopeError('REQUEST', said`${dtype} [${shape.join(', ')}] cannot be written.`, {
    tensor: name,
  });
}
