import type { ByteSource } from '../../model/byteSource';
import { digestBytes } from './chunkDigests';
import type { DigestManifest } from './manifest';
import { rangesOutside, type OutsideRange } from './rangesOutside';
import { digestsOutside } from './recorder';
import { said } from '../../protocol/said';

/** Ranges of header and padding whose bytes are not those that were written, of a file that has the size that was written. */
export async function changedOutside(
  source: ByteSource,
  { tensors, outside }: DigestManifest,
  signal?: AbortSignal,
): Promise<readonly OutsideRange[]> {
  const found = await digestsOutside(source, tensors, signal);
  return rangesOutside(tensors, source.size).filter((_, i) => {
    const place = [i * digestBytes, (i + 1) * digestBytes] as const;
    return Buffer.compare(found.subarray(...place), outside.subarray(...place)) !== 0;
  });
}

/** What is wrong with such a range, as a sentence without the place. */
export const changedMessage = ({ offset, after }: OutsideRange): string =>
  offset === 0
    ? said`The header differs from what was written.`
    : said`Bytes after the tensor "${after ?? ''}", which are of no tensor, differ from what was written.`;

/** What is wrong with a file of another size, as a sentence. */
export const sizeMessage = (found: number, written: number): string =>
  said`The file has ${found} bytes; ${written} were written: it was cut, or replaced by another program.`;
