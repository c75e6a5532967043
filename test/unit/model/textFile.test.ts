import { constants } from 'node:buffer';
import { truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readTextFile } from '../../../src/model/textFile';
import { temporaryFolder, writeFile } from '../../support/files';

const fileOf = (content: string | Uint8Array): string => writeFile(temporaryFolder(), 'a.txt', content);
const rejection = (message: string, file: string) => ({
  code: 'REQUEST',
  message: `${message} (${file})`,
  place: { file },
});

describe('a text file', () => {
  it('is read whole, its byte order mark included', async () => {
    const text = '\uFEFFä 😀\r\n\0';
    expect(await readTextFile(fileOf(text), 100)).toBe(text);
    expect(await readTextFile(fileOf(''), 0)).toBe('');
  });

  it('is rejected with its size when it is larger than asked for', async () => {
    const file = fileOf('12345');
    expect(await readTextFile(file, 5)).toBe('12345');
    await expect(readTextFile(file, 4)).rejects.toMatchObject(
      rejection('The text has 5 bytes; at most 4 are read.', file),
    );
  });

  it('is rejected with its size when no string can hold it', async () => {
    const file = fileOf('');
    const most = constants.MAX_STRING_LENGTH;
    truncateSync(file, most + 1);
    await expect(readTextFile(file, 2 * most)).rejects.toMatchObject(
      rejection(`The text has ${most + 1} bytes; at most ${most} are read.`, file),
    );
  });

  it('is rejected when it is not UTF-8', async () => {
    const file = fileOf(Uint8Array.of(0x61, 0xed, 0xa0, 0x80));
    await expect(readTextFile(file, 100)).rejects.toMatchObject(
      rejection('The file is not UTF-8 text.', file),
    );
  });
});
