import type { TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';

/** Whether a tensor can be read, as its descriptor states it. */
type Readability = Pick<TensorDescriptor, 'readable' | 'unreadableReason' | 'missingBytes'>;

/**
 * Whether data at a place of a file of `size` bytes can be read: an interrupted download lacks the end of the file.
 * @param undecodable why data of this dtype cannot be decoded even where it is present.
 */
export function readability(
  offset: number,
  byteLength: number,
  size: number,
  undecodable?: string,
): Readability {
  const missingBytes = Math.min(byteLength, Math.max(0, offset + byteLength - size));
  if (missingBytes > 0) {
    const unreadableReason = `${missingBytes} of its ${plural(byteLength, 'byte')} are missing: the file ends at byte ${size}.`;
    return { readable: false, unreadableReason, missingBytes };
  }
  return undecodable === undefined ? { readable: true } : { readable: false, unreadableReason: undecodable };
}

/** States that a file is not complete, and how much is missing; nothing for a complete one. */
export function truncationWarning(tensors: readonly TensorDescriptor[], size: number): string[] {
  const incomplete = tensors.filter(({ missingBytes }) => missingBytes !== undefined);
  if (incomplete.length === 0) return [];
  const missing = missingBytesOf(tensors);
  return [
    said`The file is not complete: it ends at byte ${size}, before ${plural(missing, 'byte')} of ${incomplete.length} of its ${plural(tensors.length, 'tensor')}. The others can be read.`,
  ];
}

export function missingBytesOf(tensors: readonly TensorDescriptor[]): number {
  return tensors.reduce((sum, { missingBytes = 0 }) => sum + missingBytes, 0);
}
