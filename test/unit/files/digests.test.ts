import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCheckedSource } from '../../../src/files/digests/checkedSource';
import { parseManifest, printManifest } from '../../../src/files/digests/manifest';
import { DigestRecorder } from '../../../src/files/digests/recorder';
import { writeWithDigests } from '../../../src/files/digests/writeWithDigests';
import { temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const bytes = Uint8Array.from({ length: 40 }, (_, i) => i);
const full = { name: 'full', dtype: 'U8', shape: [32], offset: 8, bytes: 32 };
const empty = { name: 'empty', dtype: 'U8', shape: [0], offset: 8, bytes: 0 };

it('a list has tensors of one place in an order in which none overlaps another', async () => {
  const path = writeFile(folder, 'both.bin', bytes);
  const digests = new DigestRecorder(16);
  digests.tensor(full)(0, bytes.subarray(8));
  digests.tensor(empty);
  const list = printManifest(await digests.finish(path, undefined));
  const { tensors } = parseManifest(list, 'both.bin.digests.json');
  expect(tensors.map(({ name, chunks }) => [name, chunks.length])).toEqual([
    ['empty', 0],
    ['full', 64],
  ]);
});

it('the comparison of a file that is opened can be cancelled', async () => {
  const path = join(folder, 'checked.bin');
  const origin = { source: { name: 'model', hash: 'h' }, action: 'convert' } as const;
  await writeWithDigests({
    files: [{ path, bytes: bytes.length, hasWeights: true }],
    origin,
    async fill(file, digests) {
      const record = digests.tensor(full);
      await file.write(bytes);
      record(0, bytes.subarray(8));
    },
  });
  const source = await openCheckedSource(path);
  expect(await source.read(0, 40)).toEqual(bytes);
  await source.close();
  await expect(openCheckedSource(path, AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
});
