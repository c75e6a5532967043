import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readSealed, writeSealed } from '../../../src/files/sealedFile';
import { temporaryFolder } from '../../support/files';

const file = join(temporaryFolder(), 'numbers');
const values = Float32Array.from({ length: 1000 }, (_, i) => i / 7);

it('numbers are read piece by piece, with the digest of all of them', async () => {
  await writeSealed(file, (append) => append(values));
  const bytes = readFileSync(file);
  const digest = createHash('sha256').update(bytes.subarray(0, 4000)).digest();
  expect(bytes.subarray(4000)).toEqual(digest);
  for (const most of [96, 4000, 1 << 20]) {
    const found = new Float32Array(1000);
    expect(await readSealed(file, found, most)).toBe(true);
    expect(found).toEqual(values);
  }
});

it.each([0, 96, 3999, 4031])('numbers with a damaged byte at %i are not read', async (at) => {
  await writeSealed(file, (append) => append(values));
  const bytes = readFileSync(file);
  bytes[at]! ^= 1;
  writeFileSync(file, bytes);
  expect(await readSealed(file, new Float32Array(1000), 96)).toBe(false);
});
