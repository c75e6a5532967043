import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { openFileSource } from './byteSource';
import { isRemote } from './remote/address';

/** Bytes of the text of a link at most: the longest path that Linux accepts. */
export const maxLinkText = 4096;

/**
 * Target of a symbolic link that was saved as a text file, as Git does where links are disabled; undefined for anything
 * else. Copies of model caches have such files in place of the weights.
 */
export async function linkTarget(path: string): Promise<string | undefined> {
  if (isRemote(path)) return undefined; // its target would be on this machine
  const { size } = await stat(path);
  if (size === 0 || size > maxLinkText) return undefined;
  const source = await openFileSource(path);
  try {
    const text = Buffer.from(await source.read(0, source.size)).toString('utf8');
    if (!/^[^\0-\x1f\x7f\ufffd]*[\\/][^\0-\x1f\x7f\ufffd]+$/.test(text)) return undefined;
    const target = resolve(dirname(path), text);
    return (await isFile(target)) ? target : undefined;
  } finally {
    await source.close();
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false; // a text that leads nowhere is not a link
  }
}
