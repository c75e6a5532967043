import { constants } from 'node:buffer';
import { QuantscopeError } from './errors';
import { openSource } from './place';
import { said } from '../protocol/said';

/**
 * A UTF-8 text, a byte order mark included.
 * @throws QuantscopeError REQUEST for a file of more than `most` bytes, or than a string can hold, or that is not UTF-8, IO when it cannot be read.
 */
export async function readTextFile(file: string, most: number, signal?: AbortSignal): Promise<string> {
  const source = await openSource(file);
  try {
    const limit = Math.min(most, constants.MAX_STRING_LENGTH);
    if (source.size > limit)
      throw new QuantscopeError(
        'REQUEST',
        said`The text has ${source.size} bytes; at most ${limit} are read.`,
        {
          file,
        },
      );
    return decode(await source.read(0, source.size, signal), file);
  } finally {
    await source.close();
  }
}

/** The text at the start of a file; bytes that are not UTF-8 become replacement characters. @throws QuantscopeError IO. */
export async function readTextStart(file: string, most: number, signal?: AbortSignal): Promise<string> {
  const source = await openSource(file);
  try {
    return new TextDecoder().decode(await source.read(0, Math.min(source.size, most), signal));
  } finally {
    await source.close();
  }
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new QuantscopeError('REQUEST', said`The file is not UTF-8 text.`, { file }, cause);
  }
}
