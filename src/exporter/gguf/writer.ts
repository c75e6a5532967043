import { ggmlTypeId } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { AtomicFile } from '../../files/atomicFile';
import type { DigestRecorder } from '../../files/digests/recorder';
import { dimensions } from '../plan/mixed';
import { ByteWriter, padding } from './byteWriter';
import type { KeyValue } from '../../model/keyValue';
import { writeKeyValue } from './keyValue';
import { said } from '../../protocol/said';

/** A tensor as the header lists it. */
export interface GgufTensor {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** ggml type name. */
  readonly to: string;
  readonly bytes: number;
}

/** Everything of a GGUF file but the data. */
export interface GgufLayout<T extends GgufTensor> {
  readonly header: Uint8Array;
  readonly tensors: readonly T[];
  readonly alignment: number;
  /** Bytes of the whole file. */
  readonly fileBytes: number;
}

/** Alignment of data where `general.alignment` does not say otherwise. */
export const defaultAlignment = 32;

/** Builds the header: version 3, key-values, tensor infos, padded to where data starts. */
export function layOutGguf<T extends GgufTensor>(
  keyValues: readonly KeyValue[],
  tensors: readonly T[],
  alignment = defaultAlignment,
): GgufLayout<T> {
  const out = new ByteWriter();
  out.bytes(Buffer.from('GGUF', 'latin1'));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(keyValues.length);
  for (const pair of keyValues) writeKeyValue(out, pair);
  let offset = 0;
  for (const tensor of tensors) {
    writeTensorInfo(out, tensor, offset);
    offset += tensor.bytes + padding(tensor.bytes, alignment);
  }
  out.align(alignment);
  const header = out.finish();
  return { header, tensors, alignment, fileBytes: header.length + offset };
}

/** Outermost dimensions of size 1 are left out and the innermost comes first, as ggml writes it. */
function writeTensorInfo(out: ByteWriter, { name, shape, to }: GgufTensor, offset: number): void {
  const type = ggmlTypeId(to);
  if (type === undefined)
    throw new QuantscopeError('INTERNAL', said`${to} is not a ggml type.`, { tensor: name });
  const sizes = shape.slice(-dimensions(shape)).reverse();
  out.text(name);
  out.u32(Math.max(1, sizes.length));
  for (const size of sizes.length > 0 ? sizes : [1]) out.u64(size);
  out.u32(type);
  out.u64(offset);
}

/**
 * Writes header and data. `data` yields the bytes of one tensor; what it yields must add up to the stated size.
 * @param digests takes the bytes of the tensors.
 * @returns bytes written, which equal `layout.fileBytes`.
 */
export async function writeGguf<T extends GgufTensor>(
  file: AtomicFile,
  layout: GgufLayout<T>,
  data: (tensor: T) => AsyncIterable<Uint8Array>,
  digests?: DigestRecorder,
): Promise<number> {
  await file.write(layout.header);
  for (const tensor of layout.tensors) {
    const { name, to: dtype, shape, bytes: size } = tensor;
    const offset = file.bytesWritten;
    const record = digests?.tensor({ name, dtype, shape, offset, bytes: size });
    let written = 0;
    for await (const bytes of data(tensor)) {
      record?.(written, bytes);
      await file.write(bytes);
      written += bytes.length;
    }
    if (written !== tensor.bytes) {
      const message = said`${written} bytes were written where ${tensor.bytes} were planned.`;
      throw new QuantscopeError('INTERNAL', message, { file: file.target, tensor: tensor.name });
    }
    await file.write(new Uint8Array(padding(tensor.bytes, layout.alignment)));
  }
  return file.bytesWritten;
}
