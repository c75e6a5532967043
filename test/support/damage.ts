import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** Inverts one byte of a file, in place. */
export function flipByte(file: string, offset: number): void {
  const handle = openSync(file, 'r+');
  const byte = new Uint8Array(1);
  readSync(handle, byte, 0, 1, offset);
  byte[0]! ^= 0xff;
  writeSync(handle, byte, 0, 1, offset);
  closeSync(handle);
}
